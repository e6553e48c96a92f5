import { describe, expect, it } from 'vitest'
import { fullness, raises } from '../src/limits/sums.ts'

describe('how full a limit is', () => {
  it.each([
    ['0.00', '100.00', 0],
    ['0.01', '100.00', 1],
    ['50.00', '100.00', 50],
    ['99.99', '100.00', 99],
    ['100.00', '100.00', 100],
    ['120.00', '100.00', 100],
    ['0.00', '0.00', 0],
    ['1.00', '0.00', 100],
  ])('%s of %s is %i %%', (used, limit, percent) => {
    expect(fullness(used, limit)).toBe(percent)
  })
})

describe('changing a limit of one’s own', () => {
  it.each([
    [null, '100.00', false],
    ['100.00', '99.99', false],
    ['100.00', '100.00', false],
    ['100.00', '100.01', true],
    ['9.00', '10.00', true],
    ['100.00', null, true],
  ])('from %s to %s: raised %s', (now, wanted, raised) => {
    expect(raises(now, wanted)).toBe(raised)
  })
})
