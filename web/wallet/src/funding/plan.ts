/**
 * What a payment is drawn on: by default, and after the payer changed it. The server has the same rule for payments that nobody
 * confirms; `tests/payments/funding_plans.json` holds both to one table.
 */
import { addAmounts, compareAmounts, fromMinor, placesOf, subtractAmounts } from '@shared/money.ts'

/** Something to pay from. `available`: null of a card, for that is its bank's to know. */
export interface Source {
  source: 'balance' | 'card' | 'voucher'
  of: string
  available: string | null
}
export interface Part {
  source: Source['source']
  of: string
  amount: string
}

/** Beside the balance and a card, of the five parts that a payment may have. */
export const MOST_VOUCHERS = 3
const RANK = { voucher: 0, balance: 1, card: 2 } as const
const least = (a: string, b: string): string => (compareAmounts(a, b) < 0 ? a : b)

/** Vouchers, the soonest to end first, and what comes first in the payer's own order until the amount is there. */
export function chosenByDefault<S extends Source>(sources: S[], amount: string, currency: string): S[] {
  const chosen: S[] = []
  let left = amount
  const nothing = fromMinor(0n, placesOf(currency))
  const vouchers = sources.filter((one) => one.source === 'voucher').slice(0, MOST_VOUCHERS)
  for (const one of [...vouchers, ...sources.filter((each) => each.source !== 'voucher')]) {
    if (compareAmounts(left, nothing) <= 0) break
    if (one.available !== null && compareAmounts(one.available, nothing) <= 0) continue
    chosen.push(one)
    left = one.available === null ? nothing : subtractAmounts(left, least(left, one.available), currency)
  }
  return chosen
}

/** What each gives: vouchers, then the balance, and a card the rest. `missing`: what they do not come to. */
export function planned(chosen: Source[], amount: string, currency: string): { parts: Part[]; missing: string | undefined } {
  const parts: Part[] = []
  let left = amount
  const nothing = fromMinor(0n, placesOf(currency))
  for (const one of [...chosen].sort((a, b) => RANK[a.source] - RANK[b.source])) {
    const gives = one.available === null ? left : least(left, one.available)
    if (compareAmounts(gives, nothing) <= 0) continue
    parts.push({ source: one.source, of: one.of, amount: gives })
    left = subtractAmounts(left, gives, currency)
  }
  return { parts, missing: compareAmounts(left, nothing) > 0 ? left : undefined }
}

/** As chosen before, with one taken or left: there is one card at most, and so many vouchers. */
export function toggled<S extends Source>(chosen: S[], one: S): S[] {
  if (chosen.includes(one)) return chosen.filter((each) => each !== one)
  const kept = one.source === 'card' ? chosen.filter((each) => each.source !== 'card') : chosen
  return one.source === 'voucher' && kept.filter((each) => each.source === 'voucher').length >= MOST_VOUCHERS ? kept : [...kept, one]
}

/** What all of these come to. */
export const together = (parts: Part[], currency: string): string =>
  parts.reduce((sum, part) => addAmounts(sum, part.amount, currency), fromMinor(0n, placesOf(currency)))
