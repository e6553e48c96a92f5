/**
 * A first look at a document while it is typed, so that a slip is seen at once; the server decides. What is read out of a number is
 * shown back with the day hidden.
 *
 * Source: GB 11643-1999 (18 digits, check by ISO 7064 MOD 11-2); ICAO Doc 9303-3, 4.9 (check digits) and 9303-4, 4.2 (passports).
 */
import type { DocumentKind } from '@shared/api/types.ts'

export const KINDS = ['resident_id', 'hkmt_residence', 'hkm_permit', 'taiwan_permit', 'passport', 'permanent_residence'] as const satisfies readonly DocumentKind[]
/** Kinds whose bearers have a name in Chinese. */
export const CHINESE: ReadonlySet<DocumentKind> = new Set<DocumentKind>(['resident_id', 'hkmt_residence', 'hkm_permit', 'taiwan_permit'])

const FORMS: Record<DocumentKind, RegExp> = {
  resident_id: /^\d{17}[\dX]$/,
  hkmt_residence: /^8[123]0000\d{11}[\dX]$/,
  hkm_permit: /^[HM]\d{8}(\d{2})?$/,
  taiwan_permit: /^\d{8}$/,
  passport: /^[A-Z0-9]{5,9}$/,
  permanent_residence: /^(9\d{16}[\dX]|[A-Z]{3}\d{12})$/,
}
const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]

export type Sex = 'M' | 'F' | 'X'
export interface Born {
  birthDate: string
  sex: Sex
}
export type NumberFault = 'form' | 'check'

export const cleanNumber = (text: string): string => text.replace(/\s/g, '').toUpperCase()

/** What is wrong with a number's form; undefined if nothing is. */
export function numberFault(kind: DocumentKind, text: string): NumberFault | undefined {
  const number = cleanNumber(text)
  if (!FORMS[kind].test(number)) return 'form'
  if (number.length !== 18) return undefined
  const sum = WEIGHTS.reduce((so, weight, at) => so + weight * Number(number[at]), 0)
  return '10X98765432'[sum % 11] === number[17] && bornIn(number) ? undefined : 'check'
}

/** Birth date and sex, as 18 digits say them. */
export function bornIn(text: string): Born | undefined {
  const found = /^\d{6}(\d{4})(\d{2})(\d{2})\d{2}(\d)[\dX]$/.exec(cleanNumber(text))
  if (!found) return undefined
  const birthDate = `${found[1]}-${found[2]}-${found[3]}`
  return isDate(birthDate) ? { birthDate, sex: Number(found[4]) % 2 ? 'M' : 'F' } : undefined
}

export interface Passport extends Born {
  number: string
  nationality: string
  expiresOn: string
  name: string
}
export type MrzFault = 'form' | 'check'

/** A passport's machine-readable zone: two lines of 44. Answers what it says, or what is wrong with it. */
export function readMrz(text: string, today: Date = new Date()): Passport | MrzFault {
  const zone = text.replace(/\s/g, '').toUpperCase()
  if (!/^P[A-Z<][A-Z<]{3}[A-Z<]{39}[A-Z0-9<]{44}$/.test(zone)) return 'form'
  const line = zone.slice(44)
  const part = (from: number, to: number): string => line.slice(from, to)
  const sound = (from: number, to: number): boolean => checkDigit(part(from, to)) === line[to]
  const all = checkDigit(part(0, 10) + part(13, 20) + part(21, 43)) === line[43]
  if (!sound(0, 9) || !sound(13, 19) || !sound(21, 27) || !all) return 'check'
  const birthDate = dated(part(13, 19), today.getFullYear())
  const expiresOn = dated(part(21, 27), today.getFullYear() + 50)
  if (!isDate(birthDate) || !isDate(expiresOn)) return 'check'
  const sex: Sex = line[20] === 'M' ? 'M' : line[20] === 'F' ? 'F' : 'X'
  const [surname = '', given = ''] = zone.slice(5, 44).split('<<')
  const name = `${surname} ${given}`.replace(/</g, ' ').replace(/\s+/g, ' ').trim()
  return { number: part(0, 9).replace(/</g, ''), nationality: part(10, 13).replace(/</g, ''), birthDate, sex, expiresOn, name }
}

/** "1983-09-10" as "1983-**-**": enough to see a slip, too little to learn a birthday over a shoulder. */
export const maskBirth = (date: string): string => `${date.slice(0, 4)}-**-**`

function checkDigit(text: string): string {
  const value = (letter: string): number => (letter === '<' ? 0 : /\d/.test(letter) ? Number(letter) : letter.charCodeAt(0) - 55)
  return String([...text].reduce((so, letter, at) => so + value(letter) * ([7, 3, 1][at % 3] ?? 0), 0) % 10)
}

/** YYMMDD in the last century that does not lie after `latest`. */
function dated(text: string, latest: number): string {
  const year = 2000 + Number(text.slice(0, 2))
  return `${year > latest ? year - 100 : year}-${text.slice(2, 4)}-${text.slice(4, 6)}`
}

function isDate(text: string): boolean {
  const found = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(found.getTime()) && found.toISOString().startsWith(text)
}
