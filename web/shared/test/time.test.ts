import { describe, expect, it } from 'vitest'
import { timeLeft } from '../src/time.ts'

describe('the time left', () => {
  const now = new Date('2026-11-22T12:00:00Z')
  it.each([
    ['2026-11-23T12:00:00Z', '1 天', '1 d'],
    ['2026-11-23T15:59:00Z', '1 天 3 小时', '1 d 3 h'],
    ['2026-11-22T13:52:00Z', '1 小时 52 分', '1 h 52 min'],
    ['2026-11-22T14:00:00Z', '2 小时', '2 h'],
    ['2026-11-22T12:05:59Z', '5 分', '5 min'],
    ['2026-11-22T12:00:09.5Z', '10 秒', '10 s'],
    ['2026-11-22T11:00:00Z', '0 秒', '0 s'],
  ])('until %s is %s', (until, zh, en) => {
    expect([timeLeft(until, 'zh', now), timeLeft(until, 'en', now)]).toEqual([zh, en])
  })
})
