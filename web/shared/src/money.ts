/**
 * Money as it comes over the wire: decimal strings. No number type ever holds an amount; arithmetic and comparison
 * are done in minor units as bigint.
 */
import type { Language } from './i18n/language.ts'

const PLACES: Record<string, number> = { JPY: 0, KRW: 0, VND: 0, IDR: 2, BHD: 3, KWD: 3 }
const SYMBOLS: Record<string, string> = { CNY: '¥', USD: 'US$', HKD: 'HK$', EUR: '€', GBP: '£', JPY: 'JP¥', SGD: 'S$', THB: '฿', INR: '₹' }
const NAMES: Record<string, Record<Language, string>> = {
  CNY: { zh: '元', en: 'yuan' },
  USD: { zh: '美元', en: 'US dollars' },
  HKD: { zh: '港元', en: 'Hong Kong dollars' },
  EUR: { zh: '欧元', en: 'euros' },
  JPY: { zh: '日元', en: 'yen' },
}

/** Decimal places of `currency`; 2 unless we know better. */
export function placesOf(currency: string): number {
  return PLACES[currency] ?? 2
}

export function symbolOf(currency: string): string {
  return SYMBOLS[currency] ?? `${currency} `
}

/** Minor units of a decimal string, or null when it is not an amount with at most `places` decimals. */
export function toMinor(amount: string, places = 2): bigint | null {
  const found = /^(-?)(\d+)(?:\.(\d+))?$/.exec(amount.trim())
  if (!found) return null
  const fraction = found[3] ?? ''
  if (fraction.length > places) return null
  const minor = BigInt((found[2] ?? '0') + fraction.padEnd(places, '0'))
  return found[1] ? -minor : minor
}

export function fromMinor(minor: bigint, places = 2): string {
  const digits = (minor < 0n ? -minor : minor).toString().padStart(places + 1, '0')
  const cut = digits.length - places
  return (minor < 0n ? '-' : '') + digits.slice(0, cut) + (places ? `.${digits.slice(cut)}` : '')
}

/** "5" → "5.00": an amount as the contract wants it, or null when it is not one. */
export function normalAmount(amount: string, currency: string): string | null {
  const minor = toMinor(amount, placesOf(currency))
  return minor === null ? null : fromMinor(minor, placesOf(currency))
}

export function isPositive(amount: string, currency: string): boolean {
  const minor = toMinor(amount, placesOf(currency))
  return minor !== null && minor > 0n
}

/** −1, 0 or 1 as `a` is less than, equal to or more than `b`; throws when either is no amount. */
export function compareAmounts(a: string, b: string): number {
  const [left, right] = [toMinor(a, 8), toMinor(b, 8)]
  if (left === null || right === null) throw new Error('not an amount')
  return left < right ? -1 : left > right ? 1 : 0
}

export function addAmounts(a: string, b: string, currency = 'CNY'): string {
  const places = placesOf(currency)
  const [left, right] = [toMinor(a, places), toMinor(b, places)]
  if (left === null || right === null) throw new Error('not an amount')
  return fromMinor(left + right, places)
}

/** What is left of `a` after `b` is taken away; may be negative. */
export function subtractAmounts(a: string, b: string, currency = 'CNY'): string {
  const places = placesOf(currency)
  const [left, right] = [toMinor(a, places), toMinor(b, places)]
  if (left === null || right === null) throw new Error('not an amount')
  return fromMinor(left - right, places)
}

export interface MoneyParts {
  sign: '' | '+' | '−'
  symbol: string
  whole: string
  fraction: string
}

/** The pieces of an amount, so that the symbol and the fraction can be set smaller. */
export function moneyParts(amount: string, currency: string, signed: 'auto' | 'in' | 'out' = 'auto'): MoneyParts {
  const negative = amount.startsWith('-')
  const [whole = '0', fraction = ''] = amount.replace(/^-/, '').split('.')
  const sign = signed === 'in' ? '+' : signed === 'out' || negative ? '−' : ''
  return { sign, symbol: symbolOf(currency), whole: whole.replace(/\B(?=(\d{3})+$)/g, ','), fraction }
}

/** "¥1,234.50", "−¥3.00"; `signed` forces + or −. */
export function formatMoney(amount: string, currency: string, signed: 'auto' | 'in' | 'out' = 'auto'): string {
  const parts = moneyParts(amount, currency, signed)
  return parts.sign + parts.symbol + parts.whole + (parts.fraction ? `.${parts.fraction}` : '')
}

/** How a screen reader or the elder mode says it: "1234.50元", "1234.50 yuan". */
export function spokenMoney(amount: string, currency: string, language: Language): string {
  const name = NAMES[currency]?.[language] ?? currency
  return language === 'zh' ? `${amount}${name}` : `${amount} ${name}`
}

/** Keep what a person may type into an amount: digits, one point, no more than the currency's places. */
export function cleanAmountInput(raw: string, currency: string): string {
  const places = placesOf(currency)
  const western = raw.replace(/[０-９]/g, (digit) => String(digit.charCodeAt(0) - 0xff10)).replace(/[。．]/g, '.').replace(/,/g, '')
  const [whole = '', ...rest] = western.replace(/[^\d.]/g, '').split('.')
  const trimmed = whole.replace(/^0+(?=\d)/, '').slice(0, 12)
  if (!rest.length || !places) return trimmed
  return `${trimmed || '0'}.${rest.join('').slice(0, places)}`
}
