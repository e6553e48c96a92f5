/** What of a held order is still held, and what may still be charged. */
import { compareAmounts, fromMinor, placesOf, subtractAmounts } from '@shared/money.ts'

interface HeldOrder {
  amount: string
  most?: string | null | undefined
  paid: string
  currency: string
}

/** The hold less what was charged, never below nothing: beyond the hold a merchant may charge up to what was agreed. */
export function stillHeld(order: HeldOrder): string {
  return compareAmounts(order.paid, order.amount) >= 0 ? fromMinor(0n, placesOf(order.currency)) : subtractAmounts(order.amount, order.paid, order.currency)
}
export const stillChargeable = (order: HeldOrder): string => subtractAmounts(order.most ?? order.amount, order.paid, order.currency)
