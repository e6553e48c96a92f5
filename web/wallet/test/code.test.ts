/** The payer's code: the same digits as the till's, and bars that can be read back. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { code128, QUIET } from '../src/code/code128.ts'
import { checkDigit, keyOf, nonceOf, payerCode, stepAt, USES } from '../src/code/digits.ts'

interface Vector {
  number: number
  held: string
  unix: number
  uses: number
  code: string
}
const vectors = JSON.parse(readFileSync(new URL('../../../tests/methods/payer_codes.json', import.meta.url), 'utf8')) as Vector[]
const bytes = (hex: string): Uint8Array<ArrayBuffer> => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16))

describe('digits', () => {
  it.each(vectors)('$code is what the till expects', async ({ number, held, unix, uses, code }) => {
    expect(await payerCode(String(number), await keyOf(bytes(held)), nonceOf(stepAt(unix * 1000), uses))).toBe(code)
  })
  it('come from a key that cannot be read out', async () => {
    await expect(crypto.subtle.exportKey('raw', await keyOf(bytes('00'.repeat(32))))).rejects.toThrow()
  })
  it('never repeat a nonce from one half minute in the next', () => {
    expect(nonceOf(7, USES + 5)).toBe(nonceOf(7, USES - 1))
    expect(nonceOf(8, 0)).toBe(nonceOf(7, USES - 1) + 1)
  })
  it('end in a check digit that finds each wrong and each exchanged digit', () => {
    const { code } = vectors[0] as Vector
    const holds = (text: string): boolean => checkDigit(text) === '0'
    expect(holds(code)).toBe(true)
    for (let at = 0; at < code.length; at += 1) {
      for (let digit = 0; digit < 10; digit += 1) {
        const changed = code.slice(0, at) + String(digit) + code.slice(at + 1)
        expect(holds(changed)).toBe(changed === code)
      }
      const exchanged = code.slice(0, at) + (code[at + 1] ?? '') + (code[at] ?? '') + code.slice(at + 2)
      expect(holds(exchanged)).toBe(exchanged === code)
    }
  })
})

describe('bars', () => {
  it('of the digits 42 are start C, 42, the check symbol 44 and stop, by the standard’s own table', () => {
    const { bars, width } = code128('42')
    const runs: number[] = []
    bars.forEach((bar, at) => {
      const next = bars[at + 1]
      runs.push(bar.width, ...(next ? [next.x - bar.x - bar.width] : []))
    })
    // (105 + 1 × 42) mod 103 = 44
    expect(runs.join('')).toBe('211232' + '112133' + '132131' + '2331112')
    expect(width).toBe(2 * QUIET + 11 * 3 + 13)
  })
  it('of twenty digits are 165 modules, each symbol eleven of them', () => {
    const { bars, width } = code128('87004512369247126996')
    expect(width).toBe(165)
    expect(bars[0]).toEqual({ x: QUIET, width: 2 })
    for (let symbol = 0; symbol < 12; symbol += 1) expect(bars[symbol * 3]?.x).toBe(QUIET + 11 * symbol)
  })
  it('tell every pair of digits from every other, eleven modules each', () => {
    const seen = new Set<string>()
    for (let pair = 0; pair < 100; pair += 1) {
      const { bars } = code128(String(pair).padStart(2, '0'))
      expect(bars[6]?.x).toBe(QUIET + 22)
      seen.add(JSON.stringify(bars.slice(3, 6)))
    }
    expect(seen.size).toBe(100)
  })
  it.each(['', '1', '123', '12a4'])('are not made of “%s”', (text) => expect(() => code128(text)).toThrow(RangeError))
})
