/**
 * What a card's number says while it is typed, worked out here: no digit leaves the phone before the whole card does.
 *
 * Source: ISO/IEC 7812-1 (Annex B: the check digit). The table is the server's; the longest prefix wins.
 */
import type { CardPrefix, CardPrefixes } from '@shared'

export const SHORTEST = 12
export const LONGEST = 19

export const digitsOf = (text: string): string => text.replace(/\D/g, '')

/** "6214 8300 0000 0009": groups of four, as they stand on a card. */
export const grouped = (text: string): string => digitsOf(text).slice(0, LONGEST).replace(/(\d{4})(?=\d)/g, '$1 ')

/** "11/29" as it is typed. */
export function expiryText(text: string): string {
  const digits = digitsOf(text).slice(0, 4)
  return digits.length > 2 ? `${digits.slice(0, 2)}/${digits.slice(2)}` : digits
}

/** Where the caret belongs in `text` so that as many digits stand before it. */
export function caretAfter(text: string, digits: number): number {
  if (digits === 0) return 0
  let seen = 0
  for (let at = 0; at < text.length; at++) {
    if (/\d/.test(text.charAt(at))) seen += 1
    if (seen === digits) return at + 1
  }
  return text.length
}

/** Whether the last digit checks the others, of a number as long as numbers are. */
export function canBeCard(number: string): boolean {
  if (!/^\d+$/.test(number) || number.length < SHORTEST || number.length > LONGEST) return false
  let sum = 0
  for (let place = 0; place < number.length; place++) {
    const digit = Number(number.charAt(number.length - 1 - place)) * (place % 2 ? 2 : 1)
    sum += digit > 9 ? digit - 9 : digit
  }
  return sum % 10 === 0
}

/** A function that says whose card begins like this; nothing where the table does not know. */
export function recogniser(table: CardPrefixes): (number: string) => CardPrefix | undefined {
  const rows = new Map(table.prefixes.map((row) => [row.prefix, row]))
  const longest = Math.max(0, ...table.prefixes.map((row) => row.prefix.length))
  return (number) => {
    for (let length = Math.min(longest, number.length); length > 0; length--) {
      const row = rows.get(number.slice(0, length))
      if (row) return row
    }
    return undefined
  }
}

/** The list with what stands at `from` moved by `by` places. */
export function moved<T>(list: readonly T[], from: number, by: number): T[] {
  const next = [...list]
  const [one] = next.splice(from, 1)
  if (one !== undefined) next.splice(Math.min(Math.max(from + by, 0), next.length), 0, one)
  return next
}
