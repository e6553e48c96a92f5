/** What an order says about itself, beyond its wire shape. */
import { addAmounts, compareAmounts, fromMinor, placesOf, toMinor, type BillState, type Order, type PaymentState } from '@shared'

/** The state a person sees: a paid order with refunds says so. */
export function shownState(order: Order): PaymentState | Extract<BillState, 'REFUNDED' | 'PARTLY_REFUNDED'> {
  if (order.state !== 'PAID' || toMinor(order.refunded, placesOf(order.currency)) === 0n) return order.state
  return compareAmounts(order.refunded, order.amount) >= 0 ? 'REFUNDED' : 'PARTLY_REFUNDED'
}

/** What can still be refunded, as a decimal string; "0.00" for an order that is not paid. */
export function refundable(order: Order): string {
  return order.state === 'PAID' ? addAmounts(order.amount, negated(order.refunded), order.currency) : fromMinor(0n, placesOf(order.currency))
}

export function negated(amount: string): string {
  return amount.startsWith('-') ? amount.slice(1) : `-${amount}`
}

/** A fee of parts per million as a percentage without needless zeros: 6000 → "0.6%". */
export function percentOf(ppm: number): string {
  const whole = Math.trunc(ppm / 10_000)
  const rest = String(ppm % 10_000).padStart(4, '0').replace(/0+$/, '')
  return `${whole}${rest ? `.${rest}` : ''}%`
}
