/** Phones that pay by text: listing, proving, switching on. They are switched off as any instrument. */
import type { TextPhones } from '@shared'
import { client } from '../api.ts'
import type { Agreed } from '../confirmFlow.ts'

export type Spoken = 'zh' | 'en' | 'sw'

export const getTextPhones = (signal?: AbortSignal): Promise<TextPhones> => client.get('/text', { signal })
export const sendTextCode = (key: string, phone: string): Promise<void> => client.post('/text/code', { key, body: { phone }, money: false })
export const switchOn = (key: string, body: { phone: string; code: string; language: Spoken } & Partial<Agreed>): Promise<void> =>
  client.post('/text', { key, body, money: false })
