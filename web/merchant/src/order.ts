/** What an order says about itself, beyond its wire shape. */
import type { BillState, Order, PaymentState } from '@shared/api/types.ts'
import { compareAmounts, fromMinor, placesOf, subtractAmounts, toMinor } from '@shared/money.ts'

/** The state a person sees: a paid order with refunds says so. */
export function shownState(order: Order): PaymentState | Extract<BillState, 'REFUNDED' | 'PARTLY_REFUNDED'> {
  if (order.state !== 'PAID' || toMinor(order.refunded, placesOf(order.currency)) === 0n) return order.state
  return compareAmounts(order.refunded, order.amount) >= 0 ? 'REFUNDED' : 'PARTLY_REFUNDED'
}

/** What can still be refunded, as a decimal string; "0.00" for an order that is not paid. */
export function refundable(order: Order): string {
  return order.state === 'PAID' ? subtractAmounts(order.amount, order.refunded, order.currency) : fromMinor(0n, placesOf(order.currency))
}

/** A fee of parts per million as a percentage without needless zeros: 6000 → "0.6%". */
export function percentOf(ppm: number): string {
  const whole = Math.trunc(ppm / 10_000)
  const rest = String(ppm % 10_000).padStart(4, '0').replace(/0+$/, '')
  return `${whole}${rest ? `.${rest}` : ''}%`
}
