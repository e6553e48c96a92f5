/** What an order says about itself, beyond its wire shape. */
import type { BillState, Order, PaymentState } from '@shared/api/types.ts'
import { addAmounts, compareAmounts, fromMinor, placesOf, subtractAmounts, toMinor } from '@shared/money.ts'

/** The state a person sees: a paid order with refunds says so. */
export function shownState(order: Order): PaymentState | Extract<BillState, 'REFUNDED' | 'PARTLY_REFUNDED'> {
  if (order.state !== 'PAID' || toMinor(order.refunded, placesOf(order.currency)) === 0n) return order.state
  return compareAmounts(order.refunded, order.paid) >= 0 ? 'REFUNDED' : 'PARTLY_REFUNDED'
}

/** What an order comes to: what was taken once it is paid, or was; until then what is asked for. */
export function sumOf(order: Order): string {
  return order.state === 'PAID' || order.state === 'REVERSED' ? order.paid : order.amount
}

/** What can still be refunded, as a decimal string; "0.00" for an order that is not paid. */
export function refundable(order: Order): string {
  return order.state === 'PAID' ? subtractAmounts(order.paid, order.refunded, order.currency) : fromMinor(0n, placesOf(order.currency))
}

/** What a printed receipt says: what was paid and when; of an order that was held first, what had been held, and the last charge. */
export function receiptOf(order: Order): { total: string; held: string | null; at: string | null | undefined } {
  const last = order.captures.at(-1)
  return { total: order.paid, held: order.most ? order.amount : null, at: last && order.most ? last.at : order.paid_at }
}

/** What can still be captured, as a decimal string; "0.00" where nothing is authorised. */
export function capturable(order: Order): string {
  const most = order.state === 'AUTHORISED' ? order.most : null
  return most ? subtractAmounts(most, order.paid, order.currency) : fromMinor(0n, placesOf(order.currency))
}

/** What goes back to the customer if this is charged and no more is: of what is held, for beyond it nothing was set aside. */
export function freedBy(order: Order, charged: string): string | null {
  const taken = addAmounts(order.paid, charged, order.currency)
  return compareAmounts(taken, order.amount) >= 0 ? null : subtractAmounts(order.amount, taken, order.currency)
}

/** The most that may be charged of `amount` with so many percent more, as a decimal string, rounded down. */
export function mostOf(amount: string, currency: string, percent: string): string {
  const places = placesOf(currency)
  return fromMinor(((toMinor(amount, places) ?? 0n) * (100n + BigInt(percent))) / 100n, places)
}

/** Whether a payment can still be undone as a whole: paid within a day, in one piece, nothing given back. */
export function undoable(order: Order, now: number): boolean {
  const paidAt = order.paid_at ? Date.parse(order.paid_at) : NaN
  return order.state === 'PAID' && order.refunds.length === 0 && order.captures.length <= 1 && now - paidAt < 86_400_000
}

/** A fee of parts per million as a percentage without needless zeros: 6000 → "0.6%". */
export function percentOf(ppm: number): string {
  const whole = Math.trunc(ppm / 10_000)
  const rest = String(ppm % 10_000).padStart(4, '0').replace(/0+$/, '')
  return `${whole}${rest ? `.${rest}` : ''}%`
}
