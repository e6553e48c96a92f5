import { describe, expect, it } from 'vitest'
import type { Limit } from '@shared/api/types.ts'
import { fullness, ownBars, raises } from '../src/limits/sums.ts'

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

describe('one’s own limits', () => {
  const limit = (rule_id: string, cap: string | null, left: string): Limit =>
    ({ rule_id, cap, left, limit: '100.00', whose: cap ? 'own' : 'law' }) as unknown as Limit
  const limits = [limit('law', null, '1.00'), limit('strong', 'daily_amount', '100.00'), limit('house.own.day', 'daily_amount', '21.50'), limit('house.own.payment', 'per_payment', '9.00')]

  it('are shown once each, by the rule that leaves the least', () => {
    expect(ownBars(limits).map((one) => one.rule_id)).toEqual(['house.own.payment', 'house.own.day'])
  })
})
