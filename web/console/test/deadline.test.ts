import { describe, expect, it } from 'vitest'
import { span, timeLeft, urgency } from '../src/deadline.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const after = (milliseconds: number): string => new Date(NOW + milliseconds).toISOString()

describe('a length of time in its two largest units', () => {
  it.each([
    [0, '不到 1 分钟', 'less than 1 min'],
    [59_999, '不到 1 分钟', 'less than 1 min'],
    [MINUTE, '1 分钟', '1 min'],
    [HOUR, '1 小时', '1 h'],
    [5 * HOUR + 12 * MINUTE, '5 小时 12 分钟', '5 h 12 min'],
    [24 * HOUR, '1 天', '1 d'],
    [24 * HOUR + 59 * MINUTE, '1 天', '1 d'],
    [51 * HOUR + 59 * MINUTE, '2 天 3 小时', '2 d 3 h'],
  ])('%i ms', (length, zh, en) => {
    expect(span(length, 'zh')).toBe(zh)
    expect(span(length, 'en')).toBe(en)
  })
})

describe('what is due', () => {
  it.each([
    [13 * HOUR, 'calm', '还剩 13 小时', '13 h left'],
    [HOUR, 'soon', '还剩 1 小时', '1 h left'],
    [0, 'soon', '还剩 不到 1 分钟', 'less than 1 min left'],
    [-2 * HOUR, 'late', '已逾期 2 小时', '2 h late'],
  ])('in %i ms', (left, how, zh, en) => {
    expect(urgency(after(left), NOW)).toBe(how)
    expect(timeLeft(after(left), NOW, 'zh')).toBe(zh)
    expect(timeLeft(after(left), NOW, 'en')).toBe(en)
  })
})
