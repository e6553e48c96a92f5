/** The console's calls, one line each, shaped as the HTTP contract says. */
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
import type { ConsoleChain, ConsoleTrial, CustomerLine, MerchantLine, StatementLine } from './wire.ts'

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

export const api = {
  login: (login: string, password: string) => client.post<OperatorSession>('/login', { body: { login, password } }),
  logout: () => client.post<undefined>('/logout'),
  me: () => client.get<Operator>('/me'),
  payments: (query: Query, cursor: string | null) => list<ConsolePayment>('/payments', query, cursor),
  payment: (id: string) => client.get<ConsolePaymentDetail>(`/payments/${seg(id)}`),
  journal: (id: string) => client.get<Journal>(`/journals/${seg(id)}`),
  accounts: (query: Query, cursor: string | null) => list<Account>('/accounts', query, cursor),
  account: (id: string) => client.get<Account>(`/accounts/${seg(id)}`),
  statement: (id: string, query: Query, cursor: string | null) => list<StatementLine>(`/accounts/${seg(id)}/statement`, query, cursor),
  trialBalance: (at: string | null) => client.get<ConsoleTrial>('/trial-balance', { query: { at }, timeout: 60_000 }),
  chain: () => client.get<ConsoleChain>('/chain'),
  verifyChain: (key: string) => client.post<{ running: boolean }>('/chain/verify', { key }),
  bankTransfers: (query: Query, cursor: string | null) => list<ConsoleBankTransfer>('/bank-transfers', query, cursor),
  customers: (query: Query, cursor: string | null) => list<CustomerLine>('/customers', query, cursor),
  merchants: (query: Query, cursor: string | null) => list<MerchantLine>('/merchants', query, cursor),
  createMerchant: (key: string, body: NewMerchant) => client.post<MerchantLine>('/merchants', { key, body }),
}
