/** Bank cards: seen, bound, removed, and in which order they are drawn on. */
import type { BankCard, CardBinding, CardPrefixes, FundingOrder, Page } from '@shared'
import { at, client } from '../api.ts'
import type { Agreed } from '../confirmFlow.ts'

export interface TypedCard {
  number: string
  phone?: string
  expiry?: string
  cvn2?: string
}

export const getCards = (signal?: AbortSignal): Promise<Page<BankCard>> => client.get('/cards', { signal, query: { limit: 50 } })
export const getFundingOrder = (signal?: AbortSignal): Promise<FundingOrder> => client.get('/funding-order', { signal })
export const getCardPrefixes = (signal?: AbortSignal): Promise<CardPrefixes> => client.get('/card-prefixes', { signal })
export const setFundingOrder = (key: string, sources: string[]): Promise<FundingOrder> =>
  client.put('/funding-order', { key, body: { sources }, money: false })
export const bindCard = (key: string, body: TypedCard & Agreed): Promise<CardBinding> => client.post('/cards', { key, body, money: false, timeout: 20_000 })
export const confirmCardBinding = (key: string, id: string, code: string): Promise<CardBinding> =>
  client.post(`/card-bindings/${at(id)}/confirm`, { key, body: { code }, money: false, timeout: 20_000 })
export const getCardBinding = (id: string): Promise<CardBinding> => client.get(`/card-bindings/${at(id)}`)
export const removeCard = (id: string): Promise<void> => client.delete(`/cards/${at(id)}`)
