/** What pays where nobody is logged in: binding, listing, capping and ending it, and what tills ask. */
import type { AtTill, Bound, Instrument, Page } from '@shared'
import { at, client } from '../api.ts'
import type { Agreed } from '../confirmFlow.ts'

export const bindCode = (key: string, body: { name: string; replaces?: string } & Partial<Agreed>): Promise<Bound> =>
  client.post('/code', { key, body, money: false })
export const getInstruments = (cursor: string | null, signal?: AbortSignal): Promise<Page<Instrument>> =>
  client.get('/instruments', { signal, query: { cursor, limit: 20 } })
export const capInstrument = (
  key: string, number: string, body: { most: string | null; day: string | null; currency: string } & Partial<Agreed>,
): Promise<void> => client.put(`/instruments/${at(number)}/caps`, { key, body, money: false })
export const revokeInstrument = (number: string): Promise<void> => client.delete(`/instruments/${at(number)}`)

export const getTill = (signal?: AbortSignal): Promise<AtTill> => client.get('/till', { signal, timeout: 6_000 })
export const refuseAsk = (key: string, paymentId: string): Promise<void> => client.post(`/asks/${at(paymentId)}/refuse`, { key, money: false })
