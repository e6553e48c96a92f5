/** Times from the server are RFC 3339 in UTC; people see their own zone. */
import type { Language } from './i18n/language.ts'

const WORDS = { zh: { today: '今天', yesterday: '昨天' }, en: { today: 'Today', yesterday: 'Yesterday' } } as const
const locale = (language: Language): string => (language === 'zh' ? 'zh-CN' : 'en-GB')

function daysBetween(earlier: Date, later: Date): number {
  const midnight = (moment: Date): number => Date.UTC(moment.getFullYear(), moment.getMonth(), moment.getDate())
  return Math.round((midnight(later) - midnight(earlier)) / 86_400_000)
}

export function clockTime(iso: string): string {
  const moment = new Date(iso)
  return `${String(moment.getHours()).padStart(2, '0')}:${String(moment.getMinutes()).padStart(2, '0')}`
}

/** "今天 14:05" / "Today 14:05", then "11月20日 09:12" / "20 Nov 09:12", with the year when it is not this one. */
export function formatMoment(iso: string, language: Language, now: Date = new Date()): string {
  return `${formatDay(iso, language, now)} ${clockTime(iso)}`
}

/** The day alone. Takes an instant, or a date such as "2026-11-21" which is a day already. */
export function formatDay(value: string, language: Language, now: Date = new Date()): string {
  const moment = value.length === 10 ? new Date(`${value}T12:00:00`) : new Date(value)
  const age = daysBetween(moment, now)
  if (age === 0) return WORDS[language].today
  if (age === 1) return WORDS[language].yesterday
  const year = moment.getFullYear() === now.getFullYear() ? {} : ({ year: 'numeric' } as const)
  return new Intl.DateTimeFormat(locale(language), { month: language === 'zh' ? 'long' : 'short', day: 'numeric', ...year }).format(moment)
}

/** The full date and time to the second, for details and receipts. */
export function formatFull(iso: string, language: Language, zone?: string): string {
  return new Intl.DateTimeFormat(locale(language), {
    year: 'numeric',
    month: language === 'zh' ? 'long' : 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
    ...(zone ? { timeZone: zone } : {}),
  }).format(new Date(iso))
}

/** The UTC reading, for a hover in the console: "2026-11-21 20:33:07.123456 UTC". */
export function formatUtc(iso: string): string {
  return iso.replace('T', ' ').replace(/Z$/, ' UTC')
}

/** The calendar date as YYYY-MM-DD, here or in a named zone. */
export function dateOf(moment: Date, zone?: string): string {
  if (zone) return new Intl.DateTimeFormat('en-CA', { year: 'numeric', month: '2-digit', day: '2-digit', timeZone: zone }).format(moment)
  return `${moment.getFullYear()}-${String(moment.getMonth() + 1).padStart(2, '0')}-${String(moment.getDate()).padStart(2, '0')}`
}

/** How long until then, in its two largest units: "1 小时 52 分" / "1 h 52 min"; under a minute in seconds; never negative. */
export function timeLeft(iso: string, language: Language, now: Date = new Date()): string {
  const seconds = Math.max(0, Math.ceil((new Date(iso).getTime() - now.getTime()) / 1000))
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24, Math.floor(seconds / 60) % 60]
  const words = language === 'zh' ? (['天', '小时', '分', '秒'] as const) : (['d', 'h', 'min', 's'] as const)
  if (days) return `${days} ${words[0]}${hours ? ` ${hours} ${words[1]}` : ''}`
  if (hours) return `${hours} ${words[1]}${minutes ? ` ${minutes} ${words[2]}` : ''}`
  return minutes ? `${minutes} ${words[2]}` : `${seconds} ${words[3]}`
}
