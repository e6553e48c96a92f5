/** Short names for parts of the server's answers. */
import type { Chain, CustomerRow, MerchantRow, StatementEntry, TrialBalance } from '@shared'

/** held = owed + in transit + our own fees still lying there; `at_bank` is the bank's own word, null when it did not answer. */
export type Reserve = TrialBalance['currencies'][number]['reserve']
export type ConsoleTrial = TrialBalance
export type ConsoleChain = Chain
export type StatementLine = StatementEntry
export type CustomerLine = CustomerRow
export type MerchantLine = MerchantRow
