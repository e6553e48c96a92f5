/** A fee typed as a percentage, as the integer the wire wants. No floats: 0.6 % is 6000 parts per million. */
import { fromMinor } from '@shared/money.ts'

const MOST_PPM = 100_000

/** "0.6" → 6000; null when it is not a percentage from 0 to 10 with at most four decimals. */
export function ppmOf(percent: string): number | null {
  const found = /^(\d{1,2})(?:\.(\d{1,4}))?$/.exec(percent.trim())
  if (!found) return null
  const ppm = Number((found[1] ?? '0') + (found[2] ?? '').padEnd(4, '0'))
  return ppm <= MOST_PPM ? ppm : null
}

/** What the fee takes of 100.00, rounded half up to the cent: for showing what a rate means. */
export function feeOfHundred(ppm: number): string {
  return fromMinor((10_000n * BigInt(ppm) + 500_000n) / 1_000_000n, 2)
}

/** 6000 → "0.6%": without needless zeros. */
export function percentOf(ppm: number): string {
  const rest = String(ppm % 10_000).padStart(4, '0').replace(/0+$/, '')
  return `${Math.trunc(ppm / 10_000)}${rest ? `.${rest}` : ''}%`
}
