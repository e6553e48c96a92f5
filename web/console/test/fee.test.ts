import { describe, expect, it } from 'vitest'
import { feeOfHundred, percentOf, ppmOf } from '../src/fee.ts'

describe('a fee typed as a percentage', () => {
  it.each([
    ['0.6', 6_000],
    ['0.38', 3_800],
    ['0', 0],
    ['10', 100_000],
    ['1.2345', 12_345],
    ['10.0001', null],
    ['0.12345', null],
    ['-1', null],
    ['1e2', null],
    ['', null],
    ['.6', null],
  ])('%s is %s ppm', (typed, ppm) => expect(ppmOf(typed)).toBe(ppm))

  it.each([0, 1, 380, 3_800, 6_000, 99_999, 100_000])('%i ppm shown as a percentage reads back the same', (ppm) => {
    expect(ppmOf(percentOf(ppm).slice(0, -1))).toBe(ppm)
  })
})

describe('what the fee takes of 100.00', () => {
  it.each([
    [6_000, '0.60'],
    [3_800, '0.38'],
    [50, '0.01'],
    [49, '0.00'],
    [100_000, '10.00'],
  ])('%i ppm takes %s', (ppm, fee) => expect(feeOfHundred(ppm)).toBe(fee))
})
