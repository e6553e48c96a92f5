/** A limit in words and as a bar. */
import { formatMoney, pick, type Limit } from '@shared'
import { CAPS, choiceOf, type Cap } from './sums.ts'
import { t } from './words.ts'

/** An amount as money, a count as so many payments. */
export const said = (value: string, currency: string | null | undefined): string => (currency ? formatMoney(value, currency) : t('times', { n: value }))

export function windowWords(window: string): string {
  const [kind = '', detail = ''] = window.split(':')
  switch (kind) {
    case 'transaction': case 'day': case 'month': case 'year': case 'lifetime': return t(`window_${kind}`)
    case 'rolling': case 'consecutive_days': return detail === '365' ? t('window_year') : t('window_rolling', { n: detail })
    case 'since_confirmation': return t('window_since')
    default: return t('window_other')
  }
}

/** What it applies to, as phrases. */
export function conditions(limit: Limit): string[] {
  const { kinds = [], strengths = [], cooling, minor, visitor } = limit.applies_to
  const phrases = [...kinds.map((kind) => t(`kind_${kind}`)), ...strengths.map((strength) => t(`strength_${strength}`))]
  if (cooling) phrases.push(t('cooling'))
  if (minor) phrases.push(t('minorOnly'))
  if (visitor) phrases.push(t('visitorOnly'))
  return phrases.length ? phrases : [t('appliesAll')]
}

export interface OwnCap {
  cap: Cap
  value: string | null
  currency: string | null
  coming: string | null
  comingFrom: string | null
}

/** Its name: a cap of one's own is called by what was chosen, whichever rule holds it. */
export function named(limit: Limit): string {
  const cap = choiceOf(limit)
  return cap ? t(`cap_${cap}`) : pick(limit.name)
}

/** What the person may choose, and what it is now. A cap that several rules name is one. */
export function ownCaps(limits: readonly Limit[], currency: string): OwnCap[] {
  const known = new Map(limits.filter((one) => one.cap).map((one) => [one.cap, one]))
  return CAPS.map((cap) => {
    const found = known.get(cap)
    return {
      cap, value: found?.limit ?? null, currency: cap.endsWith('count') ? null : (found?.currency ?? currency),
      coming: found?.coming ?? null, comingFrom: found?.coming_from ?? null,
    }
  })
}
