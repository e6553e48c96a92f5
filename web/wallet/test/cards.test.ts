import { describe, expect, test } from 'vitest'
import { canBeCard, caretAfter, expiryText, grouped, moved, recogniser } from '../src/cards/numbers.ts'

const row = (prefix: string, bank: string, kind: 'debit' | 'credit' | 'unknown', ...lengths: number[]) => ({ prefix, bank, kind, lengths })
const words = { zh: '', en: '' }
const whose = recogniser({
  banks: { CMB: words, UNIONPAY: words, VISA: words, CCB: words },
  prefixes: [row('62', 'UNIONPAY', 'unknown', 16, 17, 18, 19), row('621483', 'CMB', 'debit', 16), row('4', 'VISA', 'unknown', 16), row('436742', 'CCB', 'debit', 19)],
})

describe('a card while its number is typed', () => {
  test.each([
    ['6', undefined],
    ['62', 'UNIONPAY'],
    ['62148', 'UNIONPAY'],
    ['621483', 'CMB'],
    ['6214830000000009', 'CMB'],
    ['4', 'VISA'],
    ['436742', 'CCB'],
    ['9', undefined],
    ['', undefined],
  ])('%s is of %s: the longest prefix wins', (typed, bank) => {
    expect(whose(typed)?.bank).toBe(bank)
  })

  test.each([
    ['6214830000000009', '6214 8300 0000 0009'],
    ['6217000000000000012', '6217 0000 0000 0000 012'],
    ['62148', '6214 8'],
    ['6214', '6214'],
    ['62-14 8x3', '6214 83'],
    ['12345678901234567890', '1234 5678 9012 3456 789'],
    ['', ''],
  ])('%s is shown as %s', (typed, shown) => {
    expect(grouped(typed)).toBe(shown)
  })

  test.each([
    ['6214 83', 0, 0],
    ['6214 83', 4, 4],
    ['6214 83', 5, 6],
    ['6214 83', 9, 7],
  ])('in "%s" the caret after %i digits is at %i', (text, digits, at) => {
    expect(caretAfter(text, digits)).toBe(at)
  })

  test.each([
    ['6214830000000009', true],
    ['6217000000000000012', true],
    ['4111111111111111', true],
    ['6214830000000008', false],
    ['42', false],
    ['', false],
  ])('%s can be a card: %s', (number, can) => {
    expect(canBeCard(number)).toBe(can)
  })

  test.each([
    ['1', '1'],
    ['11', '11'],
    ['112', '11/2'],
    ['1129', '11/29'],
    ['11/29', '11/29'],
    ['112955', '11/29'],
  ])('an expiry typed as %s is shown as %s', (typed, shown) => {
    expect(expiryText(typed)).toBe(shown)
  })

  test.each([
    [0, 1, ['b', 'a', 'c']],
    [2, -1, ['a', 'c', 'b']],
    [0, -1, ['a', 'b', 'c']],
    [2, 5, ['a', 'b', 'c']],
  ])('the one at %i moved by %i', (from, by, order) => {
    expect(moved(['a', 'b', 'c'], from, by)).toEqual(order)
  })
})
