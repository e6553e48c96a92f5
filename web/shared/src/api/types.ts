/**
 * The wire shapes under short names. They come from the server's own OpenAPI document: `npm run types` writes schema.d.ts from openapi.json.
 * Only the events of the merchant's stream, which OpenAPI cannot describe, are written here by hand.
 */
import type { Language } from '../i18n/language.ts'
import type { components } from './schema.d.ts'

type Schemas = components['schemas']

export type Amount = string
export type Texts = Record<Language, string>
export interface Page<T> {
  items: T[]
  next_cursor: string | null
}

// Wallet

export type Contacts = Schemas['ContactsAnswer']
export type Me = Schemas['Me']
export type Session = Schemas['SessionAnswer']
export type SessionRow = Schemas['SessionLine']
export type Balance = Schemas['BalanceAnswer']
export type BankAccount = Schemas['BankAccountAnswer']
export type BankLink = Schemas['BankLinkAnswer']
export type BankCard = Schemas['CardAnswer']
export type CardBinding = Schemas['CardBindingAnswer']
export type CardPrefixes = Schemas['CardPrefixesAnswer']
export type CardPrefix = Schemas['CardPrefixAnswer']
export type FundingOrder = Schemas['FundingOrderAnswer']
export type BankTransfer = Schemas['BankTransferAnswer']
export type BankTransferState = BankTransfer['state']
export type Bill = Schemas['BillAnswer']
export type BillKind = Bill['kind']
export type BillState = Bill['state']
export type Counterparty = Schemas['CounterpartyAnswer']
export type BillDay = Schemas['DayAnswer']
export type BillPage = Schemas['BillsAnswer']
export type Arrival = NonNullable<Schemas['TransferBody']['arrival']>
export type DelayedTransfer = Schemas['DelayedTransferAnswer']
export type Payee = Schemas['PayeeAnswer']
export type Payment = Schemas['PaymentAnswer']
export type PaymentState = Payment['state']
export type PaymentRefund = Schemas['RefundLine']
export type PaymentSource = Schemas['SourceAnswer']
export type Scan = Schemas['OrderScan'] | Schemas['StaticScan'] | Schemas['AgreementScan'] | Schemas['ForeignScan']
export type ForeignCode = Schemas['ForeignScan']['code']

export type ActAsked = Pick<Schemas['ActBody'], 'request_key' | 'act' | 'counterparty_id'> & Partial<Pick<Schemas['ActBody'], 'amount' | 'currency' | 'detail'>>
export type ActChallenge = Schemas['ActChallenge']
export type PasskeyProof = Schemas['PasskeyBody']
export type SignatureProof = Schemas['CertificateBody']
export type Passkey = Schemas['PasskeyLine']
export type Certificate = Schemas['CertificateLine']
export type CertificateOptions = Schemas['CertificateOptions']
export type Device = Schemas['DeviceLine']
export type LoginRow = Schemas['LoginLine']
export type TotpState = Schemas['TotpState']
export type TotpSecret = Schemas['TotpSecret']
export type Alert = Schemas['AlertLine']
export type AlertKind = Alert['kind']
export type RealName = Schemas['RealNameAnswer']
export type RealNameCheck = NonNullable<RealName['checks']>[number]
export type DocumentKind = Schemas['DocumentBody']['kind']
export type Ward = Schemas['WardAnswer']
export type Limit = Schemas['LimitLine']
export type Limits = Schemas['LimitsAnswer']
export type PayableToday = Schemas['TodayAnswer']
export type GreatestToday = Schemas['GreatestAnswer']
export type OwnLimits = Schemas['OwnLimitsAnswer']
export type SmallPayments = Schemas['SmallPaymentsAnswer']
export type Agreement = Schemas['AgreementAnswer']
export type AgreementCaps = Schemas['CapsAnswer']
export type Debit = Schemas['DebitAnswer']
export type Purpose = Schemas['PurposeAnswer']
export type Purposes = Schemas['PurposesAnswer']
export type Choices = Schemas['ChoicesAnswer']
export type Review = Schemas['ReviewAnswer']
export type Corrections = Schemas['CorrectionsAnswer']
export type Erasure = Schemas['ErasureAnswer']
export type Bound = Schemas['BoundAnswer']
export type Instrument = Schemas['InstrumentLine']
export type TextPhones = Schemas['TextPhonesAnswer']
export type AtTill = Schemas['TillAnswer']
export type Accesses = Page<Schemas['AccessLine']>

// Merchant

export type Store = Schemas['StoreAnswer']
export type Staff = Schemas['StaffAnswer']
export type StaffSession = Schemas['StaffSessionAnswer']
export type Order = Schemas['OrderAnswer']
export type Refund = Schemas['RefundAnswer']
export type MerchantSummary = Schemas['SummaryAnswer']
export type OrderCode = Schemas['CodeAnswer']
export type StaticCode = Schemas['CodeAnswer']
export type MerchantBalance = Schemas['MerchantBalanceAnswer']
export type MerchantEventName = 'payment.created' | 'payment.pending' | 'payment.reopened' | 'payment.authorised' | 'payment.captured' | 'payment.paid' | 'payment.voided' | 'payment.reversed' | 'payment.closed' | 'payment.expired' | 'payment.refunded' | 'refund.succeeded'
export interface MerchantEvent {
  payment_id: string
  out_trade_no: string
  amount: Amount
  currency: string
  state: PaymentState
  at: string
  refund?: { out_refund_no: string; amount: Amount } | null
}

// Console

export type Operator = Schemas['OperatorAnswer']
export type OperatorSession = Schemas['OperatorSessionAnswer']
export type Entry = Schemas['JournalEntryAnswer']
export type Journal = Schemas['JournalAnswer']
export type ConsolePayment = Schemas['ConsolePayment']
export type ConsolePaymentDetail = Schemas['ConsolePaymentDetail']
export type Account = Schemas['AccountAnswer']
export type StatementEntry = Schemas['StatementLine']
export type TrialBalance = Schemas['TrialAnswer']
export type Chain = Schemas['ChainAnswer']
export type ConsoleBankTransfer = Schemas['ConsoleBankTransfer']
export type CustomerRow = Schemas['CustomerLine']
export type MerchantRow = Schemas['MerchantLine']
