/** What sources are called on the screen. */
import { pick, type Texts } from '@shared'
import { t } from './words.ts'

interface Named {
  source: 'balance' | 'card' | 'voucher'
  of: string
  name?: Texts | null | undefined
  last4?: string | undefined
}

/** The balance, a card by its bank and last digits, a voucher by its title. */
export function sourceName(one: Named): string {
  if (one.source === 'balance') return t('balance')
  if (!one.name) return one.source === 'card' ? t('debit') : t('voucher')
  return one.last4 ? `${pick(one.name)} ${one.last4}` : pick(one.name)
}
