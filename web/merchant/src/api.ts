/** The cashier's calls, one line each, shaped as the HTTP contract says. */
import { logInFurther, ownAccount } from '@shared/account/api.ts'
import { deviceName } from '@shared/deviceName.ts'
import { createClient } from '@shared/api/client.ts'
import type {
  MerchantBalance,
  MerchantSummary,
  Order,
  OrderCode,
  Page,
  Refund,
  Staff,
  StaffSession,
  StaticCode,
} from '@shared/api/types.ts'
import type { components } from '@shared/api/schema.d.ts'
import type { Entity, EntityBody } from './business.ts'
import { sessionEnded } from './session.ts'

const client = createClient('merchant', sessionEnded)
type Limit = components['schemas']['LimitLine']
const seg = encodeURIComponent

export interface ShownBody {
  shown: string
  amount: string
  currency: string
  subject: string
  store_id?: string
}

export interface OrderFilter {
  state?: string
  q?: string
  from?: string
  to?: string
  cursor?: string | null
  limit?: number
}

export const account = ownAccount(client)

export const api = {
  login: (login: string, password: string) => client.post<StaffSession>('/login', { body: { login, password, device_name: deviceName() } }),
  loginFurther: (login: string, challenge: string, code: string) => logInFurther<StaffSession>(client, login, { challenge, code, device_name: deviceName() }),
  logout: () => client.post<undefined>('/logout'),
  me: () => client.get<Staff>('/me'),
  summary: (date: string) => client.get<MerchantSummary>('/summary', { query: { date } }),
  balance: () => client.get<MerchantBalance>('/balance'),
  orders: (filter: OrderFilter) => client.get<Page<Order>>('/orders', { query: { ...filter } }),
  order: (outTradeNo: string) => client.get<Order>(`/orders/${seg(outTradeNo)}`),
  /** Where the file that proves an order's payment is downloaded. */
  proofOf: (outTradeNo: string): string => `/v1/merchant/orders/${seg(outTradeNo)}/proof`,
  orderCode: (outTradeNo: string) => client.get<OrderCode>(`/orders/${seg(outTradeNo)}/code`),
  createOrder: (key: string, body: { amount: string; currency: string; subject: string; store_id?: string; capture?: 'later'; most?: string; capture_within_s?: number }) =>
    client.post<Order>('/orders', { key, body }),
  payShown: (key: string, body: ShownBody) => client.post<Order>('/payments', { key, body }),
  closeOrder: (key: string, outTradeNo: string) => client.post<Order>(`/orders/${seg(outTradeNo)}/close`, { key }),
  capture: (key: string, outTradeNo: string, body: { amount: string; currency: string; last: boolean }) =>
    client.post<Order>(`/orders/${seg(outTradeNo)}/captures`, { key, body }),
  voidOrder: (key: string, outTradeNo: string) => client.post<Order>(`/orders/${seg(outTradeNo)}/void`, { key }),
  reverseOrder: (key: string, outTradeNo: string) => client.post<Order>(`/orders/${seg(outTradeNo)}/reverse`, { key }),
  refund: (key: string, outTradeNo: string, body: { amount: string; currency: string; reason?: string }) =>
    client.post<Refund>(`/orders/${seg(outTradeNo)}/refunds`, { key, body }),
  caps: () => client.get<{ items: Limit[] }>('/caps'),
  entity: () => client.get<Entity | null>('/entity'),
  recordEntity: (key: string, body: EntityBody) => client.post<Entity>('/entity', { key, body, money: false, timeout: 60_000 }),
  storeCode: (storeId: string, amount: string | null) => client.get<StaticCode>(`/stores/${seg(storeId)}/code`, { query: { amount } }),
}
