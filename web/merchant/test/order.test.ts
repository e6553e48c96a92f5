import { describe, expect, it } from 'vitest'
import type { Order, PaymentState } from '@shared/api/types.ts'
import { percentOf, refundable, shownState } from '../src/order.ts'

function order(state: PaymentState, amount: string, refunded: string): Order {
  return {
    payment_id: 'p', merchant: { merchant_id: 'm', name: 'M' }, out_trade_no: 'T1', subject: 's', amount, currency: 'CNY', state, refunded,
    created_at: '2026-11-21T08:00:00Z', expires_at: '2026-11-21T08:15:00Z', refunds: [], fee: '0.08', net: '12.42',
  }
}

describe('what can still be refunded', () => {
  it.each([
    ['PAID', '12.50', '0.00', '12.50'],
    ['PAID', '12.50', '5.01', '7.49'],
    ['PAID', '12.50', '12.50', '0.00'],
    ['CREATED', '12.50', '0.00', '0.00'],
    ['EXPIRED', '12.50', '0.00', '0.00'],
    ['PAID', '90071992547409.93', '0.01', '90071992547409.92'],
  ] as const)('%s %s with %s refunded leaves %s', (state, amount, refunded, left) => {
    expect(refundable(order(state, amount, refunded))).toBe(left)
  })
})

describe('the state a person sees', () => {
  it.each([
    ['PAID', '0.00', 'PAID'],
    ['PAID', '0.01', 'PARTLY_REFUNDED'],
    ['PAID', '12.50', 'REFUNDED'],
    ['CLOSED', '0.00', 'CLOSED'],
  ] as const)('%s with %s refunded is %s', (state, refunded, shown) => {
    expect(shownState(order(state, '12.50', refunded))).toBe(shown)
  })
})

describe('a fee in parts per million as a percentage', () => {
  it.each([
    [6_000, '0.6%'],
    [3_800, '0.38%'],
    [0, '0%'],
    [10_000, '1%'],
    [12_345, '1.2345%'],
    [1, '0.0001%'],
  ])('%i ppm is %s', (ppm, shown) => expect(percentOf(ppm)).toBe(shown))
})
