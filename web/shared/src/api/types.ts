/** The wire shapes, named as in the HTTP contract. `npm run types` writes schema.d.ts from the server's own OpenAPI. */
import type { Language } from '../i18n/language.ts'

export type Amount = string
export type Texts = Record<Language, string>
export interface Page<T> {
  items: T[]
  next_cursor: string | null
}

// Wallet

export interface Me {
  customer_id: string
  name: string
  name_masked: string
  login_masked: string
  has_pin: boolean
  locale: Language
  created_at: string
}
export interface Session {
  session_id: string
  token: string
  customer: Me
}
export interface SessionRow {
  session_id: string
  device_name: string | null
  created_at: string
  last_seen_at: string
  current: boolean
}
export interface Balance {
  currency: string
  balance: Amount
  available: Amount
  held: Amount
  in_transit_out: Amount
}
export interface BankAccount {
  bank_account_id: string
  bank: string
  bank_name: Texts
  number_masked: string
  holder_masked: string
}
export type BankTransferState = 'PENDING' | 'UNKNOWN' | 'SUCCEEDED' | 'FAILED'
export interface BankTransfer {
  bank_transfer_id: string
  kind: 'topup' | 'withdrawal'
  state: BankTransferState
  amount: Amount
  currency: string
  bank_account: BankAccount
  created_at: string
  finished_at?: string | null
  failure_code?: string | null
  bill_id?: string | null
}
export type BillKind = 'payment' | 'refund' | 'topup' | 'withdrawal' | 'transfer'
export type BillState = 'SUCCEEDED' | 'PENDING' | 'UNKNOWN' | 'FAILED' | 'REFUNDED' | 'PARTLY_REFUNDED'
export interface Counterparty {
  name: string
  login_masked?: string | null
  kind: 'customer' | 'merchant' | 'bank'
}
export interface Bill {
  bill_id: string
  kind: BillKind
  direction: 'in' | 'out'
  amount: Amount
  currency: string
  counterparty: Counterparty
  title: string
  note?: string | null
  at: string
  state: BillState
  balance_after?: Amount | null
  payment_id?: string | null
  refund_id?: string | null
  bank_transfer_id?: string | null
  journal_id?: string | null
}
export interface BillDay {
  date: string
  in: Amount
  out: Amount
}
export interface BillPage extends Page<Bill> {
  days: BillDay[]
  /** The zone the days are counted in, when the server says so; else ours is taken to be the same. */
  zone?: string
}
export interface Payee {
  payee_id: string
  name_masked: string
  login_masked: string
}
export type PaymentState = 'CREATED' | 'PAID' | 'CLOSED' | 'EXPIRED'
export interface PaymentRefund {
  refund_id: string
  out_refund_no: string
  amount: Amount
  currency: string
  at: string
  reason?: string | null
}
export interface Payment {
  payment_id: string
  merchant: { merchant_id: string; name: string }
  store?: { store_id: string; name: string } | null
  out_trade_no: string
  subject: string
  amount: Amount
  currency: string
  state: PaymentState
  refunded: Amount
  created_at: string
  expires_at: string
  paid_at?: string | null
  closed_at?: string | null
  payer_masked?: string | null
  bill_id?: string | null
  refunds: PaymentRefund[]
}
export type ForeignCode = 'alipay' | 'wechat' | 'unionpay' | 'upi' | 'promptpay' | 'emvco' | 'url' | 'unknown'
export type Scan =
  | { kind: 'order'; payment: Payment }
  | {
      kind: 'static'
      merchant: { merchant_id: string; name: string }
      store?: { store_id: string; name: string } | null
      currency: string
      amount?: Amount | null
    }
  | { kind: 'foreign'; scheme: Texts; code: ForeignCode; message: Texts }

// Merchant

export interface Store {
  store_id: string
  name: string
  city: string
}
export interface Staff {
  staff_id: string
  name: string
  role: 'owner' | 'cashier'
  merchant: { merchant_id: string; name: string; fee_ppm: number }
  stores: Store[]
  locale: Language
}
export interface StaffSession {
  session_id: string
  token: string
  staff: Staff
}
export interface Order extends Payment {
  fee: Amount
  net: Amount
}
export interface Refund {
  refund_id: string
  out_refund_no: string
  payment_id: string
  out_trade_no: string
  amount: Amount
  currency: string
  fee_returned: Amount
  reason?: string | null
  at: string
  state: 'SUCCEEDED'
}
export interface MerchantSummary {
  date: string
  currency: string
  paid_count: number
  paid: Amount
  refunded_count: number
  refunded: Amount
  fees: Amount
  net: Amount
  balance: Amount
  hours: { hour: number; count: number; amount: Amount }[]
}
export interface OrderCode {
  text: string
  expires_at: string
  svg: string
}
export interface StaticCode {
  text: string
  svg: string
}
export interface MerchantBalance {
  currency: string
  balance: Amount
  available: Amount
  held: Amount
}
export type MerchantEventName = 'payment.created' | 'payment.paid' | 'payment.closed' | 'payment.expired' | 'payment.refunded'
export interface MerchantEvent {
  payment_id: string
  out_trade_no: string
  amount: Amount
  currency: string
  state: PaymentState
  at: string
  refund?: Refund | null
}

// Console

export type OperatorRole = 'support' | 'finance' | 'admin'
export interface Operator {
  operator_id: string
  name: string
  roles: OperatorRole[]
  locale: Language
}
export interface OperatorSession {
  session_id: string
  token: string
  operator: Operator
}
export interface Entry {
  account_id: string
  account_code: string
  account_name: Texts
  owner?: string | null
  currency: string
  amount: Amount
  balance_after: Amount
  version: number
}
export interface Journal {
  journal_id: string
  kind: string
  at: string
  command_id: string
  writer: string
  sequence: number
  memo: string | null
  entries: Entry[]
}
export interface ConsolePayment extends Order {
  payer?: { customer_id: string; name_masked: string; login_masked: string } | null
}
export interface ConsolePaymentDetail extends ConsolePayment {
  journals: Journal[]
  events: { kind: string; at: string; by: string }[]
}
export interface Account {
  account_id: string
  code: string
  name: Texts
  owner?: string | null
  currency: string
  balance: Amount
  held: Amount
  floor?: Amount | null
  version: number
}
export interface StatementEntry {
  journal_id: string
  kind: string
  at: string
  amount: Amount
  balance_after: Amount
  version: number
}
export interface TrialBalance {
  at: string
  currencies: {
    currency: string
    rows: { code: string; name: Texts; type: 'asset' | 'liability' | 'equity' | 'income' | 'expense'; accounts: number; debit: Amount; credit: Amount }[]
    total_debit: Amount
    total_credit: Amount
    balanced: boolean
    reserve: { held: Amount; owed: Amount; in_transit: Amount; equal: boolean }
  }[]
}
export interface Chain {
  writers: { writer: string; sequence: number; head: string; at: string; commands: number; journals: number }[]
  last_verified?: {
    at: string
    ok: boolean
    batches: number
    journals: number
    entries: number
    duration_ms: number
    problem?: string | null
  } | null
}
export interface ConsoleBankTransfer extends BankTransfer {
  customer_id: string
  attempts: number
  next_attempt_at: string | null
  bank_reference: string | null
}
export interface CustomerRow {
  customer_id: string
  name_masked: string
  login_masked: string
  created_at: string
  balance: Amount
}
export interface MerchantRow {
  merchant_id: string
  name: string
  created_at: string
  balance: Amount
}
