/** The calls the wallet makes, by name; privacy, security, limits and the real name have their own. A `key` is the Idempotency-Key of the person's attempt. */
import {
  createClient,
  type Arrival,
  type Balance,
  type BankAccount,
  type BankLink,
  type BankTransfer,
  type Bill,
  type Contacts,
  type BillKind,
  type BillPage,
  type DelayedTransfer,
  type Language,
  type Me,
  type Page,
  type PasskeyProof,
  type Payee,
  type Payment,
  type Scan,
  type Session,
} from '@shared'
import type { Agreed } from './confirmFlow.ts'

let sessionEnded = (): void => undefined
export function onSessionEnded(act: () => void): void {
  sessionEnded = act
}

export const client = createClient('wallet', () => sessionEnded())
export const at = encodeURIComponent

export interface BillFilter {
  from?: string
  to?: string
  kind?: BillKind
  direction?: 'in' | 'out'
}
interface BankMove {
  bank_account_id: string
  amount: string
  currency: string
}

export const register = (key: string, body: { login: string; password: string; name: string; locale: Language; device_name: string; ticket?: string; code?: string }): Promise<Session> =>
  client.post('/register', { key, body, money: false })
export const sendRegistrationCode = (key: string, body: { login: string; locale: Language }): Promise<{ ticket: string }> =>
  client.post('/register/code', { key, body, money: false })
export const logIn = (body: { login: string; password: string; device_name: string }): Promise<Session> => client.post('/login', { body })
export const logOut = (): Promise<void> => client.post('/logout')
export const getMe = (): Promise<Me> => client.get('/me')
export const setPin = (
  key: string, body: { pin: string; password: string; old_pin?: string; code?: string; confirmation?: PasskeyProof },
): Promise<void> => client.post('/pin', { key, body, money: false })
export const sendPinCode = (key: string): Promise<void> => client.post('/pin/code', { key, money: false })

/** How to reach whoever runs this; asked without a session. */
export const getContacts = (signal?: AbortSignal): Promise<Contacts> => client.get('/contacts', { signal })

export const getBalance = (signal?: AbortSignal): Promise<Balance> => client.get('/balance', { signal })
export const getBankAccounts = (signal?: AbortSignal): Promise<Page<BankAccount>> => client.get('/bank-accounts', { signal, query: { limit: 50 } })
export const linkBankAccount = (key: string, body: { bank: string; account_number: string; phone?: string } & Agreed): Promise<BankLink> =>
  client.post('/bank-accounts', { key, body, money: false, timeout: 20_000 })
export const confirmBankLink = (key: string, id: string, code: string): Promise<BankLink> =>
  client.post(`/bank-links/${at(id)}/confirm`, { key, body: { code }, money: false, timeout: 20_000 })
export const getBankLink = (id: string): Promise<BankLink> => client.get(`/bank-links/${at(id)}`)
export const removeBankAccount = (id: string): Promise<void> => client.delete(`/bank-accounts/${at(id)}`)

export const topUp = (key: string, body: BankMove & Agreed): Promise<BankTransfer> => client.post('/topups', { key, body })
export const withdraw = (key: string, body: BankMove & Agreed): Promise<BankTransfer> => client.post('/withdrawals', { key, body })
export const getBankTransfer = (id: string, signal?: AbortSignal): Promise<BankTransfer> => client.get(`/bank-transfers/${at(id)}`, { signal })

export const resolvePayee = (login: string): Promise<Payee> => client.post('/payees/resolve', { body: { login } })
export const transfer = (key: string, body: { payee_id: string; amount: string; currency: string; note?: string; arrival: Arrival } & Agreed): Promise<Bill> =>
  client.post('/transfers', { key, body })
export const cancelTransfer = (key: string, id: string): Promise<DelayedTransfer> =>
  client.post(`/transfers/${at(id)}/cancel`, { key, money: false })

export const scan = (text: string, signal?: AbortSignal): Promise<Scan> => client.post('/scan', { body: { text }, signal })
export const payStatic = (key: string, body: { code: string; amount: string; currency: string } & Agreed): Promise<Payment> =>
  client.post('/payments', { key, body })
export const payOrder = (key: string, id: string, body: { amount: string; currency: string } & Agreed): Promise<Payment> =>
  client.post(`/payments/${at(id)}/confirm`, { key, body })
export const getPayment = (id: string, signal?: AbortSignal): Promise<Payment> => client.get(`/payments/${at(id)}`, { signal })

/** What was agreed to and is held, to be charged later by merchants. */
export const getAuthorisations = (cursor: string | null, signal?: AbortSignal): Promise<Page<Payment>> => client.get('/authorisations', { signal, query: { cursor, limit: 20 } })

export const getBills = (filter: BillFilter, cursor: string | null, signal?: AbortSignal, limit = 20): Promise<BillPage> =>
  client.get('/bills', { signal, query: { ...filter, cursor, limit } })
/** Where the file that proves a bill is downloaded. */
export const proofOf = (id: string): string => `/v1/wallet/bills/${at(id)}/proof`
export const getBill = (id: string, signal?: AbortSignal): Promise<Bill> => client.get(`/bills/${at(id)}`, { signal })
