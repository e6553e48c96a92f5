/** Short names for parts of the server's answers. */
import type { Chain, CustomerRow, MerchantRow, StatementEntry, TrialBalance } from '@shared'
import type { components } from '@shared/api/schema.d.ts'

type Schemas = components['schemas']

export type TrialCurrency = TrialBalance['currencies'][number]
/** held = owed + in transit + our own that lies there; `at_bank` is the bank's own word, null when it did not answer. */
export type Reserve = TrialCurrency['reserve']
export type ConsoleTrial = TrialBalance
export type ConsoleChain = Chain
export type ChainAnchor = Chain['anchors'][number]
export type StatementLine = StatementEntry
export type CustomerLine = CustomerRow
export type MerchantLine = MerchantRow

export type Ledger = Schemas['LedgerAnswer']
export type LedgerLine = Schemas['LedgerLine']
export type LedgerDay = Schemas['LedgerDayLine']
export type LedgerEntry = Schemas['LedgerEntry']
export type PastBalance = Schemas['AccountBalanceAnswer']
export type Hold = Schemas['HoldLine']
export type Period = Schemas['PeriodLine']
export type PeriodCheck = Schemas['CheckAnswer']
export type Opening = Schemas['OpeningAnswer']
export type FreezeReason = Schemas['FreezeBody']['reason']
export type OperatorRole = Schemas['RoleAnswer']['role']
export type OperatorLine = Schemas['OperatorLine']
export type RoleLine = Schemas['RoleAnswer']
export type Act = Schemas['ActLine']
export type ActKind = Schemas['KindAnswer']
export type KeyLine = Schemas['KeyLine']
export type Kinds = Schemas['KindsAnswer']
export type Proposal = Schemas['ProposalAnswer']
export type ProposalState = Proposal['state']
export type Incident = Schemas['IncidentAnswer']
export type Waiting = Schemas['WaitingAnswer']
export type HumanReview = Schemas['ConsoleReview']
export type Breach = Schemas['BreachAnswer']
export type BreachLine = Schemas['BreachLine']
export type BreachTask = Schemas['BreachTaskAnswer']
export type Assessment = Schemas['AssessmentAnswer']
export type Erasure = Schemas['ConsoleErasure']
export type Register = Schemas['Register']
export type Overdue = Schemas['Overdue']
export type CustomerDetail = Schemas['CustomerDetail']
export type NameDetail = Schemas['NameDetail']
export type NameLine = Schemas['NameLine']
export type Limit = Schemas['LimitLine']
export type Rulebook = Schemas['RulebookAnswer']
export type RuleLine = Schemas['RuleLine']
export type RuleText = RuleLine['rule']
export type RuleCondition = NonNullable<RuleText['when']>
export type RuleVersion = Schemas['VersionLine']
export type DutyLine = Schemas['DutyLine']
export type WhatIf = Schemas['WhatIfAnswer']
export type Entity = Schemas['EntityAnswer']
export type PageReport = Schemas['ReportLine']
export const ROLES: readonly OperatorRole[] = ['support', 'finance', 'risk', 'compliance', 'kyc', 'security', 'admin', 'auditor']
export const FREEZE_REASONS: readonly FreezeReason[] = ['court', 'fraud', 'aml', 'lost', 'deceased', 'customer', 'operator']

/** The ISO code in an account's currency, which may name a colour of restricted money after it: "CNY:canteen-2026". */
export const plain = (currency: string): string => currency.split(':')[0] ?? currency
