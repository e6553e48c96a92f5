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
/** What is held beside these: by Tongbao itself, or for a court. Null where nothing is. */
export function heldBeside(held: string, currency: string, listed: readonly string[]): string | null {
  const rest = listed.reduce((left, one) => (compareAmounts(left, one) >= 0 ? subtractAmounts(left, one, currency) : fromMinor(0n, placesOf(currency))), held)
  return compareAmounts(rest, '0') > 0 ? rest : null
}
export const stillChargeable = (order: HeldOrder): string => subtractAmounts(order.most ?? order.amount, order.paid, order.currency)
