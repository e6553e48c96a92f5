/* eslint-disable @typescript-eslint/no-non-null-assertion -- invented data: what is indexed is there */
/**
 * A made-up afternoon of one café, for looking at the pages before a server runs. Development only: never bundled.
 *
 * Times are relative to the start of the process, so "today" is never empty and the list keeps its order.
 */

export interface FakeRefund {
  refund_id: string
  out_refund_no: string
  payment_id: string
  out_trade_no: string
  amount: string
  currency: 'CNY'
  fee_returned: string
  reason?: string
  at: string
  state: 'SUCCEEDED'
}

export interface FakeOrder {
  payment_id: string
  merchant: { merchant_id: string; name: string }
  store: { store_id: string; name: string }
  out_trade_no: string
  subject: string
  amount: string
  currency: 'CNY'
  state: 'CREATED' | 'PAID' | 'CLOSED' | 'EXPIRED'
  paid: string
  refunded: string
  fee: string
  net: string
  created_at: string
  expires_at: string
  paid_at?: string
  closed_at?: string
  payer_masked?: string
  payer?: { customer_id: string; name_masked: string; login_masked: string }
  refunds: FakeRefund[]
  captures: never[]
}

export const FEE_PPM = 6000
export const merchant = { merchant_id: 'mer_01KB2H7Q4W9Z', name: '山房咖啡 Shanfang Coffee' }
export const stores = [
  { store_id: 'sto_01KB2H7R8A', name: '湖滨店', city: '杭州' },
  { store_id: 'sto_01KB2H7R8B', name: '武林广场店', city: '杭州' },
]

const people = [
  { customer_id: 'cus_01KA9M4C8E2T', name_masked: '张*明', login_masked: '138****8000' },
  { customer_id: 'cus_01KA9M4C8F7P', name_masked: '李*', login_masked: '159****2231' },
  { customer_id: 'cus_01KA9M4C8G1N', name_masked: 'A*** Turner', login_masked: 'a***@example.com' },
  { customer_id: 'cus_01KA9M4C8H5D', name_masked: '欧阳**', login_masked: '177****0456' },
]
const menu = ['拿铁 大杯', '美式 + 可颂', 'Flat white', '桂花乌龙', '手冲 耶加雪菲 两杯', '巴斯克蛋糕', '早餐套餐', 'Beans 250 g']
const prices = [3200, 4150, 2800, 1250, 8600, 3600, 2950, 12800]

export const minor = (amount: string): number => Math.round(Number(amount) * 100)
export const major = (value: number): string => (value / 100).toFixed(2)
export const feeOf = (value: number): number => Math.floor((value * FEE_PPM + 500_000) / 1_000_000)

let serial = 0
export const nextId = (prefix: string): string => `${prefix}_01KB3${(7_340_000 + ++serial * 977).toString(36).toUpperCase()}Q`

/** A new order as the server would answer it; `at` in milliseconds. */
export function makeOrder(amountMinor: number, subject: string, storeIndex: number, at: number, outTradeNo?: string, expiresInS = 900): FakeOrder {
  const fee = feeOf(amountMinor)
  const payment_id = nextId('pay')
  return {
    payment_id,
    merchant,
    store: { store_id: stores[storeIndex]!.store_id, name: stores[storeIndex]!.name },
    out_trade_no: outTradeNo ?? `T${new Date(at).toISOString().slice(2, 10).replaceAll('-', '')}${String(serial).padStart(6, '0')}`,
    subject,
    amount: major(amountMinor),
    currency: 'CNY',
    state: 'CREATED',
    paid: '0.00',
    refunded: '0.00',
    fee: major(fee),
    net: major(amountMinor - fee),
    created_at: new Date(at).toISOString(),
    expires_at: new Date(at + expiresInS * 1000).toISOString(),
    refunds: [],
    captures: [],
  }
}

export function pay(order: FakeOrder, who: number, at: number): void {
  const person = people[who % people.length]!
  order.state = 'PAID'
  order.paid = order.amount
  order.paid_at = new Date(at).toISOString()
  order.payer_masked = `${person.name_masked} ${person.login_masked}`
  order.payer = person
}

export function refund(order: FakeOrder, amountMinor: number, at: number, reason?: string, outRefundNo?: string): FakeRefund {
  const made: FakeRefund = {
    refund_id: nextId('ref'),
    out_refund_no: outRefundNo ?? `R${order.out_trade_no.slice(1)}${order.refunds.length + 1}`,
    payment_id: order.payment_id,
    out_trade_no: order.out_trade_no,
    amount: major(amountMinor),
    currency: 'CNY',
    fee_returned: major(feeOf(amountMinor)),
    at: new Date(at).toISOString(),
    state: 'SUCCEEDED',
    ...(reason ? { reason } : {}),
  }
  order.refunds.push(made)
  order.refunded = major(minor(order.refunded) + amountMinor)
  return made
}

/** Forty-six orders over the last eight hours, newest first. */
export function afternoon(now = Date.now()): FakeOrder[] {
  const orders: FakeOrder[] = []
  for (let index = 46; index > 0; index -= 1) {
    const at = now - index * 10.4 * 60_000 - (index % 7) * 41_000
    const order = makeOrder(prices[(index * 5) % 8]! + (index % 3) * 200, menu[(index * 5) % 8]!, index % 4 === 0 ? 1 : 0, at)
    if (index % 11 === 3) {
      order.state = index % 2 ? 'EXPIRED' : 'CLOSED'
      order.closed_at = new Date(at + 300_000).toISOString()
    } else {
      pay(order, index, at + 24_000)
      if (index % 9 === 4) refund(order, minor(order.amount), at + 900_000, '点错了')
      else if (index % 9 === 7) refund(order, 800, at + 700_000)
    }
    orders.unshift(order)
  }
  return orders
}
