/** What a payment says about itself, beyond its wire shape. */
import type { BillState, ConsolePayment, PaymentState } from '@shared/api/types.ts'
import { compareAmounts } from '@shared/money.ts'

export function isZero(amount: string): boolean {
  return !/[1-9]/.test(amount)
}

/** The state a person sees: a paid one with refunds says so. */
export function shownState(payment: ConsolePayment): PaymentState | Extract<BillState, 'REFUNDED' | 'PARTLY_REFUNDED'> {
  if (payment.state !== 'PAID' || isZero(payment.refunded)) return payment.state
  return compareAmounts(payment.refunded, payment.paid) >= 0 ? 'REFUNDED' : 'PARTLY_REFUNDED'
}
