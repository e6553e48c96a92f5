/** What the server says beyond the shapes that all front ends share. Every addition may be missing: an older server leaves it out. */
import type { Amount, Chain, CustomerRow, MerchantRow, StatementEntry, TrialBalance } from '@shared'

type Currency = TrialBalance['currencies'][number]

/** held = owed + in transit + our own fees still lying there; `at_bank` is the bank's own word, null when it did not answer. */
export type Reserve = Currency['reserve'] & { own?: Amount; at_bank?: Amount | null }
export interface ConsoleTrial {
  at: string
  currencies: (Omit<Currency, 'reserve'> & { reserve: Reserve })[]
}
export interface ConsoleChain extends Omit<Chain, 'writers'> {
  verifying?: boolean
  writers: { writer: string | number; sequence: number; head: string; at: string; commands: number; journals?: number }[]
}
export type StatementLine = StatementEntry & { memo?: string | null }
export type CustomerLine = CustomerRow & { currency?: string; account_id?: string }
export type MerchantLine = MerchantRow & { currency?: string; account_id?: string; mcc?: string; city?: string; fee_ppm?: number; stores?: number }
