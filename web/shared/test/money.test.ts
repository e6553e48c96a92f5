import { describe, expect, test } from 'vitest'
import { subtractAmounts, addAmounts, cleanAmountInput, compareAmounts, formatMoney, fromMinor, isPositive, normalAmount, toMinor } from '../src/money.ts'
import { formatDay, formatMoment } from '../src/time.ts'

describe('amounts are decimal strings', () => {
  test.each([
    ['1234.5', 'CNY', 'auto', '¥1,234.5'],
    ['1234.50', 'CNY', 'auto', '¥1,234.50'],
    ['-3.00', 'CNY', 'auto', '−¥3.00'],
    ['12.00', 'USD', 'in', '+US$12.00'],
    ['12.00', 'CNY', 'out', '−¥12.00'],
    ['9007199254740993.01', 'CNY', 'auto', '¥9,007,199,254,740,993.01'],
    ['1200', 'JPY', 'auto', 'JP¥1,200'],
  ] as const)('%s %s %s reads %s', (amount, currency, signed, expected) => {
    expect(formatMoney(amount, currency, signed)).toBe(expected)
  })

  test.each([
    ['5', 'CNY', '5.00'],
    ['0.1', 'CNY', '0.10'],
    ['5.123', 'CNY', null],
    ['', 'CNY', null],
    ['1e3', 'CNY', null],
    ['7', 'JPY', '7'],
  ])('%s %s goes over the wire as %s', (typed, currency, expected) => {
    expect(normalAmount(typed, currency)).toBe(expected)
  })

  test.each([
    ['12.345', '12.34'],
    ['１２。５', '12.5'],
    ['.5', '0.5'],
    ['007', '7'],
    ['1.2.3', '1.23'],
    ['abc', ''],
    ['12.', '12.'],
  ])('typing %s leaves %s', (typed, expected) => {
    expect(cleanAmountInput(typed, 'CNY')).toBe(expected)
  })

  test('minor units survive a round trip beyond the floats', () => {
    expect(fromMinor(toMinor('90071992547409930.07', 2) ?? 0n, 2)).toBe('90071992547409930.07')
    expect(addAmounts('0.10', '0.20')).toBe('0.30')
    expect(subtractAmounts('0.10', '0.30')).toBe('-0.20')
    expect(compareAmounts('10.00', '9.99')).toBe(1)
    expect(isPositive('0.00', 'CNY')).toBe(false)
  })
})

describe('times', () => {
  const now = new Date(2026, 10, 21, 20, 0)
  const at = (day: number, month = 10, year = 2026): string => new Date(year, month, day, 14, 5).toISOString()
  test('today, yesterday, this year, another year', () => {
    expect(formatMoment(at(21), 'zh', now)).toBe('今天 14:05')
    expect(formatMoment(at(21), 'en', now)).toBe('Today 14:05')
    expect(formatMoment(at(20), 'zh', now)).toBe('昨天 14:05')
    expect(formatMoment(at(3), 'zh', now)).toBe('11月3日 14:05')
    expect(formatMoment(at(3), 'en', now)).toBe('3 Nov 14:05')
    expect(formatDay(at(3, 0, 2025), 'en', now)).toBe('3 Jan 2025')
    expect(formatDay('2026-11-20', 'en', now)).toBe('Yesterday')
  })
})
