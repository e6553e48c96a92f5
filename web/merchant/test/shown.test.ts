/** What a counter is shown: whose it is, and that a scanner is told from a person. */
import { describe, expect, it } from 'vitest'
import { ScannerKeys } from '../src/scanner.ts'
import { cleanShown, schemeOf } from '../src/scheme.ts'

describe('a code is of', () => {
  it.each([
    ['87004512369247126996', 'ours'], ['134567890123456789', 'wechat'], ['280123456789012345', 'alipay'], ['3012345678901234', 'alipay'],
    ['6212345678901234567', 'unionpay'], ['8700451236924712699', 'unknown'], ['163456789012345678', 'unknown'],
    ['https://example.com', 'unknown'], ['', 'unknown'],
  ] as const)('%s: %s', (shown, scheme) => expect(schemeOf(shown)).toBe(scheme))
  it('digits as they are grouped on a screen', () => expect(cleanShown(' 8700 4512 3692 4712 6996 ')).toBe('87004512369247126996'))
})

describe('keys', () => {
  const typed = (text: string, every: number): (string | null)[] => {
    const keys = new ScannerKeys()
    return [...text, 'Enter'].map((key, at) => keys.press(key, at * every).scanned)
  }
  it('that come fast and end in Enter are a scan', () => expect(typed('87004512369247126996', 5).at(-1)).toBe('87004512369247126996'))
  it('that come at a person’s pace are none', () => expect(typed('87004512369247126996', 120).at(-1)).toBeNull())
  it('that are few are none', () => expect(typed('1234567', 5).at(-1)).toBeNull())
  it('of an amount do not run into the scan that follows', () => {
    const keys = new ScannerKeys()
    keys.press('5', 0)
    expect([...'8700451236'].map((key, at) => keys.press(key, 900 + at * 5).begins)).toEqual([true, ...Array<boolean>(9).fill(false)])
    expect(keys.press('Enter', 960).scanned).toBe('8700451236')
  })
})
