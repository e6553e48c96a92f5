/** Agreements to be debited, and small payments without a PIN. */
import type { Agreement, AgreementCaps, Debit, Page, SmallPayments } from '@shared'
import { at, client } from '../api.ts'
import type { Agreed } from '../confirmFlow.ts'

export const getAgreements = (cursor: string | null, signal?: AbortSignal): Promise<Page<Agreement>> => client.get('/agreements', { signal, query: { limit: 20, cursor } })
export const getAgreement = (id: string, signal?: AbortSignal): Promise<Agreement> => client.get(`/agreements/${at(id)}`, { signal })
export const getDebits = (id: string, cursor: string | null, signal?: AbortSignal): Promise<Page<Debit>> => client.get(`/agreements/${at(id)}/debits`, { signal, query: { limit: 20, cursor } })
export const signAgreement = (key: string, id: string, body: AgreementCaps & Agreed): Promise<Agreement> => client.post(`/agreements/${at(id)}/sign`, { key, body, money: false })
export const changeAgreement = (key: string, id: string, body: AgreementCaps & Partial<Agreed>): Promise<Agreement> => client.put(`/agreements/${at(id)}/caps`, { key, body, money: false })
export const stepAgreement = (key: string, id: string, step: 'pause' | 'resume' | 'revoke'): Promise<Agreement> => client.post(`/agreements/${at(id)}/${step}`, { key, money: false })
export const stopDebit = (key: string, id: string, paymentId: string): Promise<Debit> => client.post(`/agreements/${at(id)}/debits/${at(paymentId)}/stop`, { key, money: false })
export const getSmallPayments = (signal?: AbortSignal): Promise<SmallPayments> => client.get('/small-payments', { signal })
export const setSmallPayments = (key: string, body: { per_payment: string | null; per_day: string | null } & Partial<Agreed>): Promise<SmallPayments> =>
  client.put('/small-payments', { key, body, money: false })
