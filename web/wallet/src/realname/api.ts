/** Who somebody is, level by level; guardians and their wards. */
import type { BillPage, DocumentKind, Page, RealName, Ward } from '@shared'
import { at, client } from '../api.ts'
import type { Agreed } from '../confirmFlow.ts'

export interface DocumentBody {
  kind: DocumentKind
  number: string
  name?: string
  name_latin?: string
  birth_date?: string
  sex?: 'M' | 'F' | 'X'
  nationality?: string
  issued_on?: string
  expires_on?: string
  mrz?: string
}
/** Registries are asked while we wait. */
const TIMEOUT = 30_000

export const getRealName = (signal?: AbortSignal): Promise<RealName> => client.get('/real-name', { signal })
export const giveDocument = (key: string, body: { document: DocumentBody; wanted_level: number; phone?: string; card_number?: string; pin?: string }): Promise<RealName> =>
  client.post('/real-name', { key, body, money: false, timeout: TIMEOUT })
export const askChannel = (key: string, channel: string, body: { card_number?: string }): Promise<RealName> =>
  client.post(`/real-name/checks/${at(channel)}`, { key, body, money: false, timeout: TIMEOUT })
export const sendPhoneCode = (key: string): Promise<void> => client.post('/real-name/phone/code', { key, money: false })
export const provePhone = (key: string, body: { code: string; card_number?: string }): Promise<RealName> =>
  client.post('/real-name/phone', { key, body, money: false, timeout: TIMEOUT })
export const askGuardian = (key: string, login: string): Promise<RealName> => client.post('/real-name/guardian', { key, body: { login }, money: false })

export const getWards = (cursor: string | null, signal?: AbortSignal): Promise<Page<Ward>> => client.get('/guardianships', { signal, query: { cursor, limit: 20 } })
export const agreeToWard = (
  key: string, minor: string, body: Agreed & { currency: string; single: string | null; daily: string | null },
): Promise<Ward> => client.post(`/guardianships/${at(minor)}/agree`, { key, body, money: false })
export const getWardBills = (minor: string, cursor: string | null, signal?: AbortSignal): Promise<BillPage> =>
  client.get(`/guardianships/${at(minor)}/bills`, { signal, query: { cursor, limit: 20 } })
export const endWard = (minor: string): Promise<void> => client.delete(`/guardianships/${at(minor)}`)
