import { describe, expect, it } from 'vitest'
import { bornIn, maskBirth, numberFault, readMrz } from '../src/realname/documents.ts'

describe('a document’s number', () => {
  it.each([
    ['resident_id', '330106198309100007', undefined],
    ['resident_id', '3301 0619 8309 1000 07', undefined],
    ['resident_id', '330106198309100008', 'check'],
    ['resident_id', '33010619830910000', 'form'],
    ['resident_id', '330106198313100007', 'check'],
    ['hkmt_residence', '330106198309100007', 'form'],
    ['hkm_permit', 'h12345678', undefined],
    ['hkm_permit', 'K12345678', 'form'],
    ['taiwan_permit', '12345678', undefined],
    ['permanent_residence', 'GBR123456789012', undefined],
    ['permanent_residence', '931840198406100141', undefined],
  ] as const)('%s %s: %s', (kind, number, fault) => {
    expect(numberFault(kind, number)).toBe(fault)
  })
  it('tells birth date and sex', () => {
    expect(bornIn('330106198309100007')).toEqual({ birthDate: '1983-09-10', sex: 'F' })
    expect(bornIn('330106198309100015')?.sex).toBe('M')
    expect(bornIn('330106198302300007')).toBeUndefined()
  })
  it('is shown back without the day', () => {
    expect(maskBirth('1983-09-10')).toBe('1983-**-**')
  })
})

describe('a passport’s machine-readable zone', () => {
  // The specimen of ICAO Doc 9303-4, Appendix B.
  const first = 'P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<'
  const second = 'L898902C36UTO7408122F1204159ZE184226B<<<<<10'
  const today = new Date('2026-11-22T12:00:00Z')
  it('is read', () => {
    expect(readMrz(`${first}\n${second}`, today)).toEqual({
      number: 'L898902C3', nationality: 'UTO', birthDate: '1974-08-12', sex: 'F', expiresOn: '2012-04-15', name: 'ERIKSSON ANNA MARIA',
    })
  })
  it.each([
    ['', 'form'],
    [first, 'form'],
    [`${first}\n${second.slice(0, 43)}`, 'form'],
    [`${first}\n${second.replace('740812', '740813')}`, 'check'],
    [`${first}\n${second.replace('L898902C3', 'L898902C4')}`, 'check'],
    [`${first}\n${second.slice(0, 43)}1`, 'check'],
  ])('with a slip is refused', (zone, fault) => {
    expect(readMrz(zone, today)).toBe(fault)
  })
})
