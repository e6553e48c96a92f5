/** The rules in words: windows, conditions, what a limit comes to. */
import { language } from '@shared'
import { formatMoney, normalAmount, toMinor } from '@shared/money.ts'
import { t, words, type Word } from './words.ts'
import type { RuleCondition, RuleText } from './wire.ts'

const named = (prefix: string, name: string): string => (`${prefix}.${name}` in words.zh ? t(`${prefix}.${name}` as Word) : name)

export const suspensionSaid = (reason: string): string => named('suspended', reason)
export const kindSaid = (kind: string): string => named('act', kind)
export const packSaid = (pack: string): string => named('pack', pack)
export const strengthSaid = (strength: string): string => named('strength', strength)

/** Law and article, as they are cited in the reader's language. */
export const cited = (rule: { citation: string; citation_zh: string }): string => (language.value === 'zh' ? rule.citation_zh : rule.citation)
/** The same of a rule as it is written. */
export const citedRule = (rule: RuleText | undefined): string => (rule ? cited({ citation: `${rule.law} ${rule.article}`, citation_zh: rule.citation_zh ?? '' }) : '')

/** A window by the name it has in somebody's limits: "day", "year:calendar", "rolling:30". */
export function windowSaid(window: string): string {
  const [kind = '', more = ''] = window.split(':')
  if (kind === 'rolling' || kind === 'consecutive_days') return t(`window.${kind}`, { days: more })
  return named('window', WHOLE[`${kind}.${more}`] ?? kind)
}
const WHOLE: Record<string, string> = { 'year.calendar': 'year', 'year.anniversary': 'anniversary', 'since_confirmation.strong': 'sinceStrong', 'since_confirmation.medium': 'sinceMedium' }

/** The same of a rule as it is written. */
export function ruleWindowSaid(window: RuleText['window']): string {
  if (!window) return ''
  if (window.kind === 'rolling' || window.kind === 'consecutive_days') return windowSaid(`${window.kind}:${window.days ?? 0}`)
  if (window.kind === 'since_confirmation') return windowSaid(`since_confirmation:${window.strength ?? 'medium'}`)
  return windowSaid(window.kind === 'year' ? `year:${window.anchor ?? 'calendar'}` : window.kind)
}

/** How much of a limit is used, in whole percent; decimal strings, so that nothing is rounded before the end. */
export function percentUsed(used: string, limit: string): number {
  const [part, whole] = [toMinor(used, 4) ?? 0n, toMinor(limit, 4) ?? 0n]
  if (whole <= 0n) return part > 0n ? 100 : 0
  const percent = (part * 100n) / whole
  return Number(percent > 100n ? 100n : percent)
}

/** To which acts a rule applies, as one line; empty where to all. */
export function conditionSaid(when: RuleCondition | undefined): string {
  if (!when) return ''
  const parts = [
    when.kinds?.map(kindSaid).join(t('list.and')),
    when.methods?.join(t('list.and')),
    when.strengths?.map(strengthSaid).join(t('list.and')),
    when.levels?.length ? t('when.levels', { levels: when.levels.join(t('list.and')) }) : '',
    when.visitor ? t('customer.visitor') : '',
    when.minor ? t('customer.minor') : '',
    when.cooling ? t('when.cooling') : '',
    when.tiers?.join(t('list.and')),
    when.flags?.join(t('list.and')),
  ]
  return parts.filter(Boolean).join(' · ')
}

/** How far a rule lets things go, as one line. */
export function limitSaid(rule: RuleText): string {
  if (rule.limit) return Object.entries(rule.limit).map(([currency, amount]) => formatMoney(normalAmount(amount, currency) ?? amount, currency)).join(' / ')
  if (rule.agreed) return t('rule.agreed')
  const count = rule.most ?? rule.at_most
  return count === null || count === undefined ? '' : String(count)
}
