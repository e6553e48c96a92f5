/**
 * The digits of a payer's code, made on this device without a network. `src/tongbao/methods/code/digits.py` is the same at the till,
 * and both are held to `tests/methods/payer_codes.json`.
 *
 *     87  004512369  50417723  6
 *     │   │          │         └ check digit (Damm)
 *     │   │          └ proof: HMAC-SHA-256 of the instrument's secret over the nonce, cut to eight digits as HOTP does
 *     │   └ the instrument's number
 *     └ ours
 *
 * Source: RFC 4226 5.3, RFC 6238 4; Damm, H. M., “Total anti-symmetrische Quasigruppen” (2004).
 */
const PREFIX = '87'
const NUMBER_DIGITS = 9
const PROOF_DIGITS = 8

export const STEP_MS = 30_000
/** Codes that one half minute has. */
export const USES = 4

/** Damm's quasigroup of order ten: the row is what there is so far, the column the next digit. */
const DAMM = [
  '0317598642', '7092154863', '4206871359', '1750983426', '6123045978', '3674209581', '5869720134', '8945362017', '9438617205', '2581436790',
]

/** A secret as a key that can sign and cannot be read out again. */
export const keyOf = (secret: Uint8Array<ArrayBuffer>): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])

/** The half minute of a moment, in milliseconds since 1970. */
export const stepAt = (moment: number): number => Math.floor(moment / STEP_MS)

/** The nonce of a half minute, after so many uses within it; beyond the last it stays the last. */
export const nonceOf = (step: number, uses: number): number => step * USES + Math.min(uses, USES - 1)

export function checkDigit(digits: string): string {
  let row = 0
  for (const digit of digits) row = Number(DAMM[row]?.[Number(digit)])
  return String(row)
}

/** The whole code. `number`: as the server says it, without leading zeros. */
export async function payerCode(number: string, key: CryptoKey, nonce: number): Promise<string> {
  const message = new DataView(new ArrayBuffer(8))
  message.setBigUint64(0, BigInt(nonce))
  const digest = new DataView(await crypto.subtle.sign('HMAC', key, message))
  const cut = BigInt.asUintN(63, digest.getBigUint64(digest.getUint8(31) & 0x0f))
  const proof = String(cut % 10n ** BigInt(PROOF_DIGITS)).padStart(PROOF_DIGITS, '0')
  const body = `${PREFIX}${number.padStart(NUMBER_DIGITS, '0')}${proof}`
  return body + checkDigit(body)
}
