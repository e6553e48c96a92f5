/** What a person may ask about their own data. */
import type { Accesses, Choices, Corrections, Erasure, Page, Purpose, Purposes, Review } from '@shared'
import { client } from '../api.ts'
import type { Agreed } from '../confirmFlow.ts'

/** A copy of a long history takes its time. */
const COPY_TIMEOUT = 300_000

export const getPurposes = (signal?: AbortSignal): Promise<Purposes> => client.get('/privacy/purposes', { signal })
export const sayConsent = (key: string, body: { purpose: string; granted: boolean; version?: number; screen: string }): Promise<Purpose> =>
  client.post('/privacy/consents', { key, body, money: false })

export const getChoices = (signal?: AbortSignal): Promise<Choices> => client.get('/privacy/choices', { signal })
export const setChoices = (key: string, body: Choices): Promise<Choices> => client.post('/privacy/choices', { key, body, money: false })
export const getReviews = (cursor: string | null, signal?: AbortSignal): Promise<Page<Review>> =>
  client.get('/privacy/reviews', { signal, query: { cursor, limit: 20 } })
export const askReview = (key: string, body: { request: string; wish: string }): Promise<Review> =>
  client.post('/privacy/reviews', { key, body, money: false })

export const takeCopy = (key: string, agreed: Agreed, received: (bytes: number) => void): Promise<Blob> =>
  client.download('/privacy/copy', { key, body: agreed, money: false, timeout: COPY_TIMEOUT, received })
export const getCorrections = (cursor: string | null, signal?: AbortSignal): Promise<Corrections> =>
  client.get('/privacy/corrections', { signal, query: { cursor, limit: 20 } })
export const correctName = (key: string, value: string): Promise<Corrections> =>
  client.post('/privacy/corrections', { key, body: { field: 'name', value }, money: false })
export const getAccesses = (cursor: string | null, signal?: AbortSignal): Promise<Accesses> =>
  client.get('/privacy/accesses', { signal, query: { cursor, limit: 20 } })

export const getErasure = (signal?: AbortSignal): Promise<Erasure> => client.get('/privacy/erasure', { signal })
export const askErasure = (key: string, agreed: Agreed): Promise<Erasure> => client.post('/privacy/erasure', { key, body: agreed, money: false })
export const keepAccount = (key: string): Promise<Erasure> => client.post('/privacy/erasure/cancel', { key, money: false })
