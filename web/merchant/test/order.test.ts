import { describe, expect, it } from 'vitest'
import type { Order, PaymentState } from '@shared/api/types.ts'
import { capturable, freedBy, mostOf, percentOf, receiptOf, refundable, shownState, undoable } from '../src/order.ts'

const AT = '2026-11-21T08:00:00Z'

function order(state: PaymentState, amount: string, refunded: string, more: Partial<Order> = {}): Order {
  return {
    payment_id: 'p', merchant: { merchant_id: 'm', name: 'M' }, out_trade_no: 'T1', subject: 's', amount, currency: 'CNY', state, refunded,
    paid: state === 'PAID' ? amount : '0.00', captures: [], funding: [], back: [], ...(state === 'PAID' ? { paid_at: AT } : {}),
    created_at: AT, expires_at: '2026-11-21T08:15:00Z', refunds: [], fee: '0.08', net: '12.42', ...more,
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

describe('what can still be captured', () => {
  it.each([
    ['AUTHORISED', '115.00', '0.00', '115.00'],
    ['AUTHORISED', '115.00', '40.01', '74.99'],
    ['PAID', '115.00', '40.01', '0.00'],
    ['CREATED', '115.00', '0.00', '0.00'],
  ] as const)('%s of at most %s with %s taken leaves %s', (state, most, paid, left) => {
    expect(capturable(order(state, '100.00', '0.00', { most, paid }))).toBe(left)
  })
})

describe('what a last charge gives back', () => {
  it.each([
    ['0.00', '120.00', '180.00'],
    ['50.00', '120.00', '130.00'],
    ['0.00', '300.00', null],
    ['250.00', '95.00', null],
  ] as const)('of 300.00 held, %s charged before and %s now: %s', (paid, now, freed) => {
    expect(freedBy(order('AUTHORISED', '300.00', '0.00', { most: '345.00', paid }), now)).toBe(freed)
  })
})

describe('how far a charge may go', () => {
  // The server takes 115 % of the minor units, rounded down, and refuses a unit more.
  it.each([
    ['100.00', 'CNY', '0', '100.00'],
    ['100.00', 'CNY', '15', '115.00'],
    ['0.33', 'CNY', '15', '0.37'],
    ['90071992547409.93', 'CNY', '5', '94575592174780.42'],
    ['101', 'JPY', '10', '111'],
  ] as const)('of %s %s and %s percent more, at most %s is charged', (amount, currency, beyond, most) => {
    expect(mostOf(amount, currency, beyond)).toBe(most)
  })
})

describe('what a printed receipt says', () => {
  it('of a payment: what was paid, and when', () => {
    expect(receiptOf(order('PAID', '12.50', '0.00'))).toEqual({ total: '12.50', held: null, at: AT })
  })
  it('of a hold: what was charged of it and when, not what was held or when the rest was released', () => {
    const capture = { capture_id: 'c', out_capture_no: 'C1', amount: '80.00', currency: 'CNY', at: AT, last: false }
    const released = order('PAID', '200.00', '0.00', { most: '230.00', paid: '80.00', captures: [capture], paid_at: '2026-11-22T09:00:00Z' })
    expect(receiptOf(released)).toEqual({ total: '80.00', held: '200.00', at: AT })
  })
})

describe('whether a payment can be undone', () => {
  const capture = { capture_id: 'c', out_capture_no: 'C1', amount: '1.00', currency: 'CNY', at: AT, last: false }
  const refund = { refund_id: 'r', out_refund_no: 'R1', amount: '1.00', currency: 'CNY', at: AT, reason: '' }
  const DAY = 86_400_000
  it.each([
    ['PAID', {}, DAY - 1, true],
    ['PAID', {}, DAY, false],
    ['CREATED', {}, 1, false],
    ['PAID', { captures: [capture] }, 1, true],
    ['PAID', { captures: [capture, capture] }, 1, false],
    ['PAID', { refunds: [refund] }, 1, false],
  ] as const)('%s with %o after %i ms: %s', (state, more, after, can) => {
    expect(undoable(order(state, '12.50', '0.00', more as Partial<Order>), Date.parse(AT) + after)).toBe(can)
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
