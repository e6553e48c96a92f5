/**
 * What this device keeps to make codes without a network: whose they are, the instrument's number, its secret as a key that cannot be
 * read out, and how far our clock is ahead of the device's. It is one for the device: whoever sets it up takes the place of the last.
 */
import type { Bound } from '@shared'
import { keep, kept } from '@shared/api/device.ts'
import { keyOf, nonceOf, payerCode, stepAt } from './digits.ts'

export interface KeptCode {
  customerId: string
  number: string
  key: CryptoKey
  /** Milliseconds by which our clock is ahead of the device's. */
  ahead: number
  /** By the device's own clock, in milliseconds since 1970. */
  boundAt: number
  /** By our clock. */
  expiresAt: number
  /** The half minute for which a code was shown last, and how often another was asked for within it. */
  shown: { step: number; uses: number }
  /** The Idempotency-Key under which it is being renewed, so that a lost answer is asked for again and not replaced once more. */
  renewal: string | null
}

const PLACE = 'payer code'
const A_DAY = 86_400_000

export const keptCode = async (): Promise<KeptCode | undefined> => (await kept<KeptCode>(PLACE)) ?? undefined
export const keepCode = (code: KeptCode): Promise<void> => keep(PLACE, code)
export const forgetCode = (): Promise<void> => keep(PLACE, null)

/** What the server said, as it is kept. `asked`: when it was asked, by the device's clock. */
export async function fromBound(bound: Bound, customerId: string, asked: number, now = Date.now()): Promise<KeptCode> {
  const secret = Uint8Array.from(atob(bound.secret.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0))
  return {
    customerId, number: bound.number, key: await keyOf(secret), ahead: Date.parse(bound.server_time) - (asked + now) / 2, boundAt: now,
    expiresAt: Date.parse(bound.expires_at), shown: { step: 0, uses: 0 }, renewal: null,
  }
}

/** Older than a day, or bound in what is now the future: then the device's clock was set back, and ours is learnt anew. */
export const isStale = (code: KeptCode, now = Date.now()): boolean => now - code.boundAt > A_DAY || now < code.boundAt
export const isOver = (code: KeptCode, now = Date.now()): boolean => now + code.ahead >= code.expiresAt

/** How often another code was asked for within the half minute of `now`. */
export function usesAt(code: KeptCode, now = Date.now()): { step: number; uses: number } {
  const step = stepAt(now + code.ahead)
  return { step, uses: code.shown.step === step ? code.shown.uses : 0 }
}

export async function digitsAt(code: KeptCode, now = Date.now()): Promise<string> {
  const { step, uses } = usesAt(code, now)
  return payerCode(code.number, code.key, nonceOf(step, uses))
}
