import { describe, expect, it } from 'vitest'
import { bodyOf, emptyForm, problemsOf, shareOf, type BusinessForm } from '../src/business.ts'

const filled = (): BusinessForm => {
  const form = emptyForm()
  Object.assign(form, { legalName: '山前咖啡有限公司', creditCode: '91330106ma200000 3X' })
  Object.assign(form.legalPerson, { name: '张小明', number: '11010519491231002x' })
  return form
}

describe('a share as it is typed', () => {
  it.each([['25', 250_000], ['60%', 600_000], ['33.3333', 333_333], ['100', 1_000_000], ['24.9999', null], ['100.0001', null], ['', null], ['a', null], ['33.33333', null]])('%s', (typed, ppm) => {
    expect(shareOf(typed)).toBe(ppm)
  })
})

describe('the form', () => {
  it.each<[string, (form: BusinessForm) => void, Record<string, string>]>([
    ['is right as it is', () => undefined, {}],
    ['needs a name', (form) => (form.legalName = ' '), { legalName: 'required' }],
    ['needs a code', (form) => (form.creditCode = ''), { creditCode: 'required' }],
    ['knows a code that is none', (form) => (form.creditCode = '91330106MA200000I3'), { creditCode: 'code' }],
    ['needs no code of a micro-merchant', (form) => Object.assign(form, { kind: 'micro', creditCode: '' }), {}],
    ['knows a number that is none', (form) => (form.legalPerson.number = '123'), { 'legal.number': 'residentId' }],
    ['asks for what a passport does not say', (form) => Object.assign(form.legalPerson, { kind: 'passport', number: 'E12345678' }), { 'legal.birthDate': 'required', 'legal.nationality': 'nationality' }],
    ['needs every owner', (form) => form.owners.push(emptyForm().legalPerson), { 'owner0.name': 'required', 'owner0.number': 'required', 'owner0.share': 'share' }],
    ['adds shares up', (form) => ['60', '50'].forEach((share) => form.owners.push({ ...form.legalPerson, share })), { shares: 'shares' }],
  ])('%s', (_, change, problems) => {
    const form = filled()
    change(form)
    expect(problemsOf(form)).toEqual(problems)
  })
  it('is sent in normal form, and a micro-merchant without code and owners', () => {
    const form = filled()
    form.owners.push({ ...form.legalPerson, share: '60' })
    expect(bodyOf(form)).toMatchObject({ credit_code: '91330106MA2000003X', legal_person: { number: '11010519491231002X', expires_on: null }, owners: [{ share_ppm: 600_000 }] })
    expect(bodyOf({ ...form, kind: 'micro' })).toMatchObject({ credit_code: '', owners: [] })
  })
})
