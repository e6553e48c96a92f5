/** How an agreement is shown: its state's colour, what comes next, its terms line by line, and limits as they are typed. */
import { compareAmounts, formatMoment, formatMoney, isPositive, language, normalAmount, type Agreement, type AgreementCaps, type Debit } from '@shared'
import { t } from './words.ts'

type Tone = 'green' | 'amber' | 'red' | 'slate'

export const TONE: Record<Agreement['state'], Tone> = { ASKED: 'amber', ACTIVE: 'green', PAUSED: 'amber', ENDED: 'slate', EXPIRED: 'slate' }
export const DEBIT_TONE: Record<Debit['state'], Tone> = { NOTICED: 'amber', WAITING: 'amber', TAKEN: 'green', STOPPED: 'slate', FAILED: 'red' }

export function followingWords(one: Agreement): string {
  const following = one.next_debit
  if (!following) return ''
  const said = { amount: formatMoney(following.amount, one.currency), when: formatMoment(following.at, language.value) }
  return t(following.state === 'WAITING' ? 'nextRetry' : 'nextText', said)
}

/** What stands in it, besides the most of one debit. */
export function terms(one: Agreement, caps: AgreementCaps): { label: string; value: string }[] {
  return [
    { label: t('forWhat'), value: one.purpose },
    { label: t('perPayment'), value: formatMoney(caps.per_debit, one.currency) },
    { label: t('perDay'), value: formatMoney(caps.per_day, one.currency) },
    { label: t('counts'), value: t('countsText', { day: caps.debits_a_day, month: caps.debits_a_month }) },
    { label: t('period'), value: t(`period_${one.period}`) },
    { label: t('first'), value: one.first_debit_on },
    { label: t('ends'), value: one.ends_on },
    { label: t('notice'), value: one.notice_hours ? t('noticeText', { n: one.notice_hours }) : t('noticeNone') },
    { label: t('retry'), value: one.attempts > 1 ? t('retryText', { n: one.attempts, hours: one.retry_hours }) : t('retryNone') },
  ]
}

/** Amounts as typed, in normal form; undefined where they are no limits: nothing, a day below a payment, or above the most. */
export function limitsOf(one: string, day: string, currency: string, mostOne: string, mostDay: string): { one: string; day: string } | undefined {
  if (!isPositive(one, currency) || !isPositive(day, currency)) return undefined
  const [first, second] = [normalAmount(one, currency), normalAmount(day, currency)]
  if (!first || !second) return undefined
  const fits = compareAmounts(first, second) <= 0 && compareAmounts(first, mostOne) <= 0 && compareAmounts(second, mostDay) <= 0
  return fits ? { one: first, day: second } : undefined
}

/** The limits besides that of one debit, as an act names them. */
export const capsDetail = (caps: AgreementCaps): string => `debits_a_day=${caps.debits_a_day},debits_a_month=${caps.debits_a_month},per_day=${caps.per_day}`
