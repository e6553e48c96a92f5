/** Limits: what applies, and one's own. */
import type { Limits, OwnLimits, PayableToday } from '@shared'
import { client } from '../api.ts'
import type { Agreed } from '../confirmFlow.ts'

export const getLimits = (signal?: AbortSignal): Promise<Limits> => client.get('/limits', { signal })
export const getToday = (signal?: AbortSignal): Promise<PayableToday> => client.get('/limits/today', { signal })
export const setOwnLimits = (key: string, body: { limits: Record<string, string | number | null> } & Partial<Agreed>): Promise<OwnLimits> =>
  client.put('/limits/own', { key, body, money: false })
