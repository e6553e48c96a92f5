/** The console's calls, one line each, shaped as the HTTP contract says. */
import { logInFurther, ownAccount } from '@shared/account/api.ts'
import { deviceName } from '@shared/deviceName.ts'
import { createClient, type Query } from '@shared/api/client.ts'
import type {
  Account,
  ConsoleBankTransfer,
  ConsolePayment,
  ConsolePaymentDetail,
  Journal,
  Operator,
  OperatorSession,
  Page,
} from '@shared/api/types.ts'
import { sessionEnded } from './session.ts'
import type {
  Act,
  Assessment,
  Breach,
  BreachLine,
  ConsoleChain,
  ConsoleTrial,
  CustomerDetail,
  CustomerLine,
  DutyLine,
  Entity,
  FreezeReason,
  Erasure,
  Hold,
  HumanReview,
  Incident,
  KeyLine,
  Kinds,
  Ledger,
  LedgerDay,
  LedgerEntry,
  Limit,
  MerchantLine,
  NameDetail,
  NameLine,
  Opening,
  OperatorLine,
  Overdue,
  PageReport,
  PastBalance,
  Period,
  PeriodCheck,
  Proposal,
  Register,
  RoleLine,
  RuleVersion,
  Rulebook,
  StatementLine,
  Waiting,
  WhatIf,
} from './wire.ts'

const client = createClient('console', sessionEnded)
const seg = encodeURIComponent
const list = <T>(path: string, query: Query, cursor: string | null): Promise<Page<T>> =>
  client.get<Page<T>>(path, { query: { limit: 50, ...query, cursor } })

export interface NewMerchant {
  name: string
  mcc: string
  city: string
  fee_ppm: number
  stores: { name: string; city: string }[]
  owner: { login: string; name: string; password: string }
}

export interface Freeze {
  debits: boolean
  credits: boolean
  reason: FreezeReason
  note: string
}
export interface Propose {
  kind: string
  body: Record<string, unknown>
  reason: string
  alone: boolean
}
export interface OpeningFile {
  content: string
  format: 'csv' | 'beancount'
  value_date: string
  dry_run: boolean
}
/** Where a file of the books is downloaded from; the browser does that by itself. */
export function exportUrl(what: string, query: Record<string, string>): string {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString()
  return `/v1/console/exports/${what}${search ? `?${search}` : ''}`
}
const accountAct = (id: string, act: string, key: string, body: unknown): Promise<Account> => client.post<Account>(`/accounts/${seg(id)}/${act}`, { key, body, money: false })

export const account = ownAccount(client)

export const api = {
  login: (login: string, password: string) => client.post<OperatorSession>('/login', { body: { login, password, device_name: deviceName() } }),
  welcome: (link: string, code: string, password: string) => client.post<undefined>('/welcome', { body: { link, code, password } }),
  loginFurther: (login: string, challenge: string, code: string) => logInFurther<OperatorSession>(client, login, { challenge, code, device_name: deviceName() }),
  logout: () => client.post<undefined>('/logout'),
  me: () => client.get<Operator>('/me'),
  payments: (query: Query, cursor: string | null) => list<ConsolePayment>('/payments', query, cursor),
  payment: (id: string) => client.get<ConsolePaymentDetail>(`/payments/${seg(id)}`),
  journal: (id: string) => client.get<Journal>(`/journals/${seg(id)}`),
  accounts: (query: Query, cursor: string | null) => list<Account>('/accounts', query, cursor),
  account: (id: string) => client.get<Account>(`/accounts/${seg(id)}`),
  statement: (id: string, query: Query, cursor: string | null) => list<StatementLine>(`/accounts/${seg(id)}/statement`, query, cursor),
  pastBalance: (id: string, query: Query) => client.get<PastBalance>(`/accounts/${seg(id)}/balance`, { query }),
  freeze: (id: string, key: string, body: Freeze) => accountAct(id, 'freeze', key, body),
  unfreeze: (id: string, key: string, body: Freeze) => accountAct(id, 'unfreeze', key, body),
  closeAccount: (id: string, key: string, note: string) => accountAct(id, 'close', key, { note }),
  reopenAccount: (id: string, key: string, note: string) => accountAct(id, 'reopen', key, { note }),
  limitAccount: (id: string, key: string, ceiling: string | null) => accountAct(id, 'limits', key, { ceiling }),
  reverse: (id: string, key: string, reason: string) => client.post<Journal>(`/journals/${seg(id)}/reverse`, { key, body: { reason } }),
  holds: (query: Query, cursor: string | null) => list<Hold>('/holds', query, cursor),
  voidHold: (id: string, key: string) => client.post<Hold>(`/holds/${seg(id)}/void`, { key }),
  trialBalance: (date: string | null) => client.get<ConsoleTrial>('/trial-balance', { query: { date }, timeout: 60_000 }),
  ledger: (from: string, to: string) => client.get<Ledger>('/general-ledger', { query: { from, to } }),
  ledgerDays: (query: Query, cursor: string | null) => list<LedgerDay>('/general-ledger/days', query, cursor),
  ledgerEntries: (query: Query, cursor: string | null) => list<LedgerEntry>('/general-ledger/entries', query, cursor),
  periods: (cursor: string | null) => list<Period>('/periods', {}, cursor),
  checkPeriod: (through: string) => client.get<PeriodCheck>('/periods/check', { query: { through } }),
  closePeriod: (key: string, through: string) => client.post<Period>('/periods', { key, body: { through } }),
  reopenPeriod: (key: string, through: string, reason: string) => client.post<Period>(`/periods/${seg(through)}/reopen`, { key, body: { reason } }),
  opening: (key: string, body: OpeningFile) => client.post<Opening>('/opening-balances', { key, body, money: !body.dry_run, timeout: 60_000 }),
  chain: () => client.get<ConsoleChain>('/chain'),
  verifyChain: (key: string) => client.post<{ running: boolean }>('/chain/verify', { key }),
  bankTransfers: (query: Query, cursor: string | null) => list<ConsoleBankTransfer>('/bank-transfers', query, cursor),
  customers: (query: Query, cursor: string | null) => list<CustomerLine>('/customers', query, cursor),
  merchants: (query: Query, cursor: string | null) => list<MerchantLine>('/merchants', query, cursor),
  kinds: () => client.get<Kinds>('/kinds'),
  waiting: () => client.get<Waiting>('/waiting'),
  proposals: (query: Query, cursor: string | null) => list<Proposal>('/proposals', query, cursor),
  proposal: (id: string) => client.get<Proposal>(`/proposals/${seg(id)}`),
  invitationCode: (id: string) => client.get<{ code: string; expires_at: string }>(`/proposals/${seg(id)}/code`),
  propose: (key: string, body: Propose) => client.post<Proposal>('/proposals', { key, body, money: body.alone, timeout: 60_000 }),
  approve: (id: string, key: string, note: string) => client.post<Proposal>(`/proposals/${seg(id)}/approve`, { key, body: { note }, timeout: 60_000 }),
  reject: (id: string, key: string, note: string) => client.post<Proposal>(`/proposals/${seg(id)}/reject`, { key, body: { note }, money: false }),
  withdraw: (id: string, key: string) => client.post<Proposal>(`/proposals/${seg(id)}/withdraw`, { key, money: false }),
  incidents: (query: Query, cursor: string | null) => list<Incident>('/incidents', query, cursor),
  reviewIncident: (id: string, key: string, note: string) => client.post<Incident>(`/incidents/${seg(id)}/review`, { key, body: { note }, money: false }),
  operators: (cursor: string | null) => list<OperatorLine>('/operators', {}, cursor),
  roles: () => client.get<{ roles: RoleLine[] }>('/roles'),
  acts: (query: Query, cursor: string | null) => list<Act>('/acts', query, cursor),
  overdue: () => client.get<Overdue>('/privacy/overdue'),
  register: () => client.get<Register>('/privacy/register'),
  reviews: (query: Query, cursor: string | null) => list<HumanReview>('/privacy/reviews', query, cursor),
  answerReview: (id: string, key: string, body: { upheld: boolean; answer: string }) => client.post<HumanReview>(`/privacy/reviews/${seg(id)}/answer`, { key, body, money: false }),
  breaches: (query: Query, cursor: string | null) => list<BreachLine>('/privacy/breaches', query, cursor),
  breach: (id: string) => client.get<Breach>(`/privacy/breaches/${seg(id)}`),
  openBreach: (key: string, body: { what: string; categories: string[]; people: number; risk: 'low' | 'high'; known_at: string }) => client.post<Breach>('/privacy/breaches', { key, body, money: false }),
  assessBreach: (id: string, key: string, body: { people: number; risk: 'low' | 'high' }) => client.post<Breach>(`/privacy/breaches/${seg(id)}/assess`, { key, body, money: false }),
  endBreachTask: (id: string, clock: string, key: string, body: { note: string; needed: boolean; told: string; people: number }) =>
    client.post<Breach>(`/privacy/breaches/${seg(id)}/tasks/${seg(clock)}`, { key, body, money: false }),
  closeBreach: (id: string, key: string, lesson: string) => client.post<Breach>(`/privacy/breaches/${seg(id)}/close`, { key, body: { lesson }, money: false }),
  assessments: (query: Query, cursor: string | null) => list<Assessment>('/privacy/assessments', query, cursor),
  assessment: (id: string) => client.get<Assessment>(`/privacy/assessments/${seg(id)}`),
  writeAssessment: (key: string, body: Pick<Assessment, 'title' | 'purpose' | 'lawful' | 'effects' | 'measures' | 'risk' | 'review_on' | 'replaces'>) => client.post<Assessment>('/privacy/assessments', { key, body, money: false }),
  signAssessment: (id: string, key: string) => client.post<Assessment>(`/privacy/assessments/${seg(id)}/sign`, { key, money: false }),
  erasures: (query: Query, cursor: string | null) => list<Erasure>('/privacy/erasures', query, cursor),
  pageReports: (cursor: string | null) => list<PageReport>('/page-reports', {}, cursor),
  customer: (id: string) => client.get<CustomerDetail>(`/customers/${seg(id)}`),
  suspend: (id: string, key: string, body: { why: string; reason: string; until: string | null }) => client.post<CustomerDetail>(`/customers/${seg(id)}/suspend`, { key, body, money: false }),
  keys: () => client.get<{ items: KeyLine[] }>('/keys'),
  customerLimits: (id: string) => client.get<{ items: Limit[] }>(`/customers/${seg(id)}/limits`),
  realNames: (query: Query, cursor: string | null) => list<NameLine>('/real-names', query, cursor),
  realName: (id: string) => client.get<NameDetail>(`/customers/${seg(id)}/real-name`),
  faceToFace: (id: string, key: string, body: { level: number; note: string }) => client.post<NameDetail>(`/customers/${seg(id)}/real-name/face-to-face`, { key, body, money: false }),
  approveFace: (id: string, key: string, body: { level: number; verified_by: string }) => client.post<NameDetail>(`/customers/${seg(id)}/real-name/face-to-face/approve`, { key, body, money: false }),
  rules: () => client.get<Rulebook>('/rules'),
  ruleVersions: (cursor: string | null) => list<RuleVersion>('/rules/versions', {}, cursor),
  whatIf: (query: Query) => client.get<WhatIf>('/rules/what-if', { query }),
  duties: (query: Query, cursor: string | null) => list<DutyLine>('/duties', query, cursor),
  entity: (id: string) => client.get<Entity>(`/merchants/${seg(id)}/entity`),
  checkEntity: (id: string, key: string) => client.post<Entity>(`/merchants/${seg(id)}/entity/checks`, { key, money: false, timeout: 30_000 }),
  merchantCaps: (id: string) => client.get<{ items: Limit[] }>(`/merchants/${seg(id)}/caps`),
  setMerchantCaps: (id: string, key: string, body: { caps: Record<string, string | number | null>; reason: string }) => client.post<{ items: Limit[] }>(`/merchants/${seg(id)}/caps`, { key, body, money: false }),
  createMerchant: (key: string, body: NewMerchant) => client.post<MerchantLine>('/merchants', { key, body }),
}
