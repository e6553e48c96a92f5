import { expect, it } from 'vitest'
import type { Bill } from '@shared/api/types.ts'
import { confirmedBy } from '../src/confirmed.ts'

it.each<[Bill['factors'], string[]]>([
  [['knowledge', 'possession'], ['confirmedPin', 'confirmedHere']],
  [['possession'], ['confirmedDevice']],
  [['possession', 'inherence'], ['confirmedPasskey']],
  [['knowledge', 'possession', 'signature'], ['confirmedPin', 'confirmedCertificate']],
  [['possession', 'inherence', 'signature'], ['confirmedPasskey', 'confirmedCertificate']],
  [['knowledge'], ['confirmedPin']],
])('%j is said as %j', (factors, words) => {
  expect(confirmedBy(factors)).toEqual(words)
})
