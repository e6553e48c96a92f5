/** The form of who stands behind a merchant: what is still wrong with it, and what it comes to. The server looks again at all of it. */
import type { components } from '@shared/api/schema.d.ts'

export type Entity = components['schemas']['EntityAnswer']
export type EntityBody = components['schemas']['EntityBody']
type DocumentBody = components['schemas']['DocumentBody']

/** Who has at least this part of a business, in percent, is a beneficial owner. */
export const LEAST_SHARE = 25
export const MOST_OWNERS = 4

export const DOCUMENTS = ['resident_id', 'hkmt_residence', 'hkm_permit', 'taiwan_permit', 'passport', 'permanent_residence'] as const satisfies readonly DocumentBody['kind'][]
/** Their numbers say when their bearers were born, and more. */
const NUMBER_TELLS = new Set<string>(['resident_id', 'hkmt_residence'])
/** Of people whom registries know by a Latin name and a nationality. */
const FOREIGN = new Set<string>(['passport', 'permanent_residence'])
export const asksBirth = (kind: string): boolean => !NUMBER_TELLS.has(kind)
export const isForeign = (kind: string): boolean => FOREIGN.has(kind)

export interface PersonForm {
  kind: DocumentBody['kind']
  name: string
  number: string
  birthDate: string
  sex: 'M' | 'F'
  nationality: string
  issuedOn: string
  expiresOn: string
  share: string
}
export interface BusinessForm {
  kind: EntityBody['kind']
  legalName: string
  creditCode: string
  legalPerson: PersonForm
  owners: PersonForm[]
}
export type Problem = 'required' | 'code' | 'residentId' | 'share' | 'shares' | 'nationality'

const emptyPerson = (): PersonForm => ({ kind: 'resident_id', name: '', number: '', birthDate: '', sex: 'F', nationality: '', issuedOn: '', expiresOn: '', share: '' })
export const emptyForm = (): BusinessForm => ({ kind: 'company', legalName: '', creditCode: '', legalPerson: emptyPerson(), owners: [] })

/** GB 32100-2015: eighteen digits and letters without I, O, S, V and Z. */
const CODE = /^[0-9A-HJ-NPQRTUWXY]{18}$/
/** GB 11643-1999: seventeen digits, and a digit or X. */
const RESIDENT = /^\d{17}[\dX]$/
const compact = (text: string): string => text.replace(/[\s-]/g, '').toUpperCase()

/** Percent as it is typed, in millionths; null for what is none. */
export function shareOf(text: string): number | null {
  const typed = /^(\d{1,3})(?:\.(\d{1,4}))?%?$/.exec(text.trim())
  if (!typed) return null
  const ppm = Number(typed[1]) * 10_000 + Number((typed[2] ?? '').padEnd(4, '0'))
  return ppm >= LEAST_SHARE * 10_000 && ppm <= 1_000_000 ? ppm : null
}

/** What is wrong, by field: "legalName", "creditCode", "legal.number", "owner0.share", "shares". */
export function problemsOf(form: BusinessForm): Record<string, Problem> {
  const found: Record<string, Problem> = {}
  if (!form.legalName.trim()) found['legalName'] = 'required'
  if (form.kind !== 'micro' && !CODE.test(compact(form.creditCode))) found['creditCode'] = form.creditCode.trim() ? 'code' : 'required'
  const owners = form.kind === 'micro' ? [] : form.owners
  const people: [string, PersonForm][] = [['legal', form.legalPerson], ...owners.map((one, index): [string, PersonForm] => [`owner${index}`, one])]
  for (const [place, person] of people) {
    if (!person.name.trim()) found[`${place}.name`] = 'required'
    if (!person.number.trim()) found[`${place}.number`] = 'required'
    else if (person.kind === 'resident_id' && !RESIDENT.test(compact(person.number))) found[`${place}.number`] = 'residentId'
    if (asksBirth(person.kind) && !person.birthDate) found[`${place}.birthDate`] = 'required'
    if (isForeign(person.kind) && !/^[A-Z]{3}$/i.test(person.nationality.trim())) found[`${place}.nationality`] = 'nationality'
    if (place !== 'legal' && shareOf(person.share) === null) found[`${place}.share`] = 'share'
  }
  if (owners.reduce((sum, one) => sum + (shareOf(one.share) ?? 0), 0) > 1_000_000) found['shares'] = 'shares'
  return found
}

const documentOf = (person: PersonForm): DocumentBody => ({
  kind: person.kind,
  number: compact(person.number),
  name: isForeign(person.kind) ? '' : person.name.trim(),
  name_latin: isForeign(person.kind) ? person.name.trim() : '',
  nationality: isForeign(person.kind) ? person.nationality.trim().toUpperCase() : '',
  mrz: '',
  ...(asksBirth(person.kind) ? { birth_date: person.birthDate, sex: person.sex } : {}),
  issued_on: person.issuedOn || null,
  expires_on: person.expiresOn || null,
})

/** What is sent, of a form without problems. */
export function bodyOf(form: BusinessForm): EntityBody {
  const micro = form.kind === 'micro'
  return {
    kind: form.kind,
    legal_name: form.legalName.trim(),
    credit_code: micro ? '' : compact(form.creditCode),
    legal_person: documentOf(form.legalPerson),
    owners: micro ? [] : form.owners.map((one) => ({ document: documentOf(one), share_ppm: shareOf(one.share) ?? 0 })),
  }
}
