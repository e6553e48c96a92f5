/** How long is left until something is due, or how late it is, in the two largest units: "5 h 12 min left", "2 天 3 小时前已到期". */
import type { Language } from '@shared/i18n/language.ts'

const UNITS = [
  { seconds: 86_400, zh: '天', en: 'd' },
  { seconds: 3_600, zh: '小时', en: 'h' },
  { seconds: 60, zh: '分钟', en: 'min' },
] as const

export type Urgency = 'calm' | 'soon' | 'late'
/** Within this, what is due is shown as urgent. */
const SOON_MS = 12 * 3_600_000

export function urgency(due: string, now: number): Urgency {
  const left = Date.parse(due) - now
  return left < 0 ? 'late' : left < SOON_MS ? 'soon' : 'calm'
}

export function timeLeft(due: string, now: number, language: Language): string {
  const left = Date.parse(due) - now
  const length = span(Math.abs(left), language)
  if (language === 'zh') return left < 0 ? `已逾期 ${length}` : `还剩 ${length}`
  return left < 0 ? `${length} late` : `${length} left`
}

/** A length of time in its two largest units. Less than a minute is said as such. */
export function span(milliseconds: number, language: Language): string {
  let seconds = Math.floor(milliseconds / 1000)
  const parts: string[] = []
  for (const unit of UNITS) {
    const count = Math.floor(seconds / unit.seconds)
    seconds -= count * unit.seconds
    if (count > 0 || parts.length > 0) parts.push(`${count} ${unit[language]}`)
    if (parts.length === 2) break
  }
  if (parts.length) return parts.filter((part, at) => at === 0 || !part.startsWith('0 ')).join(' ')
  return language === 'zh' ? '不到 1 分钟' : 'less than 1 min'
}
