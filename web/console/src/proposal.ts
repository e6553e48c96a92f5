/** What a proposal comes to, in words: one line a kind of act. A kind that has no words here shows its fields as they were sent. */
import { formatMoney } from '@shared'
import type { OperatorRole, Proposal, ProposalState } from './wire.ts'
import { t, words, type Word } from './words.ts'

/** As the server has them. */
export const LEAST_REASON = 5
export const LEAST_GLASS_REASON = 20
export const MOST_REASON = 500

export interface Told {
  /** What happens when it is approved, in one sentence. */
  sentence: string
  /** Its account, payment, operator … where that has a page. */
  account?: string
  payment?: string
  operator?: string
  journal?: string
  customer?: string
  merchant?: string
  breach?: string
  /** What is said to others, word by word. */
  quotes?: string[]
}

type Body = Record<string, unknown>
const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const list = (value: unknown): string[] => (Array.isArray(value) ? value.map(text) : [])
const rolesSaid = (roles: string[]): string => roles.map((role) => t(`role.${role as OperatorRole}`)).join(t('list.and'))
const word = (name: string, otherwise: string): string => (name in words.zh ? t(name as Word) : otherwise)

function sides(body: Body): string {
  return [body['debits'] && t('propose.side.debits'), body['credits'] && t('propose.side.credits')].filter(Boolean).join(t('list.and'))
}

const TELL: Record<string, (body: Body, currency: string) => Told> = {
  'account.unfreeze': (body) => ({
    sentence: t('told.unfreeze', { sides: sides(body), reason: word(`reason.${text(body['freeze_reason'])}`, text(body['freeze_reason'])) }),
    account: text(body['account_id']),
  }),
  'account.bound': (body, currency) => ({
    sentence: body['ceiling'] === null ? t('told.noBound') : t('told.bound', { amount: formatMoney(text(body['ceiling']), currency) }),
    account: text(body['account_id']),
  }),
  'period.reopen': (body) => ({ sentence: t('told.reopen', { day: text(body['through']) }) }),
  'books.opening': (body) => ({ sentence: t('told.opening', { day: text(body['value_date']) }) }),
  'books.export': (body) => ({
    sentence: t('told.export', { what: word(exportWord(text(body['what'])), text(body['what'])), days: daysSaid(body) }),
  }),
  'payment.refund': (body) => ({
    sentence: t('told.refund', { amount: formatMoney(text(body['amount']), text(body['currency'])) }),
    payment: text(body['payment_id']),
  }),
  'operator.create': (body) => ({
    sentence: t('told.create', { name: text(body['name']), login: text(body['login']), roles: rolesSaid(list(body['roles'])) }),
  }),
  'books.export_whole': (body) => ({
    sentence: t('told.exportWhole', { what: word(exportWord(text(body['what'])), text(body['what'])), days: daysSaid(body) }),
  }),
  'customer.lift_suspension': (body) => ({
    sentence: t(body['reason'] === 'dormant' ? 'told.liftDormant' : 'told.lift'),
    customer: text(body['customer_id']),
  }),
  'keys.rotate': (body) => ({ sentence: t('told.rotate', { purpose: word(`key.${text(body['purpose'])}`, text(body['purpose'])), version: Number(body['version'] ?? 0) + 1 }) }),
  'merchant.caps': (body) => ({
    sentence: t('told.caps', { caps: Object.entries((body['caps'] ?? {}) as Body).map(([name, value]) => `${word(`caps.${name}`, name)} ${value === null ? t('told.noCap') : String(value)}`).join(t('list.and')) }),
    merchant: text(body['merchant_id']),
  }),
  'rules.adopt': (body) => ({ sentence: t('told.adopt', { packs: list(body['packs']).join(t('list.and')), version: Number(body['version'] ?? 0) }) }),
  'breach.letter': (body) => ({
    sentence: list(body['customers']).length ? t('told.letterListed', { count: list(body['customers']).length }) : t('told.letter'),
    breach: text(body['breach_id']),
    quotes: [text(body['zh']), text(body['en'])],
  }),
  'hold.void': (body) => ({ sentence: t('told.void'), ...(body['customer_id'] ? { customer: text(body['customer_id']) } : {}) }),
  'authorisation.trust': (body) => ({ sentence: t('told.trust'), payment: text(body['payment_id']) }),
  'operator.reset': (body) => ({ sentence: t('told.reset'), operator: text(body['operator_id']) }),
  'journal.reverse': (body) => ({ sentence: t('told.reverse'), journal: text(body['journal_id']) }),
  'operator.roles': (body) => ({
    sentence: list(body['roles']).length ? t('told.roles', { roles: rolesSaid(list(body['roles'])) }) : t('told.disable'),
    operator: text(body['operator_id']),
  }),
}

/** `currency` is that of the account it is about, once that is known. */
export function tell(proposal: Proposal, currency: string): Told | null {
  return TELL[proposal.kind]?.(proposal.body, currency) ?? null
}

/** The fields of a body that has no words of its own, for people to read all the same. */
export function fieldsOf(body: Body): { name: string; value: string }[] {
  return Object.entries(body).map(([name, value]) => ({ name, value: typeof value === 'string' ? value : JSON.stringify(value) }))
}

const exportWord = (what: string): string => `files.${what === 'trial-balance' ? 'trial' : what}`
function daysSaid(body: Body): string {
  const [first, last] = [text(body['first_day']), text(body['last_day'])]
  if (!first && !last) return t('told.allDays')
  return t('told.days', { from: first || '…', to: last || '…' })
}

export const STATE_LOOKS = {
  OPEN: { tone: 'amber', icon: 'clock' },
  APPROVED: { tone: 'jade', icon: 'clock' },
  DONE: { tone: 'green', icon: 'check' },
  FAILED: { tone: 'red', icon: 'cross' },
  REJECTED: { tone: 'slate', icon: 'cross' },
  WITHDRAWN: { tone: 'slate', icon: 'undo' },
  EXPIRED: { tone: 'slate', icon: 'clock' },
} as const satisfies Record<ProposalState, { tone: string; icon: string }>
