/** By what somebody was shown to agree, as the words of a bill. The device is not named beside its certificate or passkey. */
import type { Bill } from '@shared/api/types.ts'

type Word = 'confirmedPin' | 'confirmedPasskey' | 'confirmedCertificate' | 'confirmedHere' | 'confirmedDevice'

export function confirmedBy(factors: Bill['factors']): Word[] {
  const by = (one: Bill['factors'][number]): boolean => factors.includes(one)
  if (factors.length === 1 && by('possession')) return ['confirmedDevice']
  const words: Word[] = []
  if (by('knowledge')) words.push('confirmedPin')
  if (by('inherence')) words.push('confirmedPasskey')
  if (by('signature')) words.push('confirmedCertificate')
  else if (by('possession') && !by('inherence')) words.push('confirmedHere')
  return words
}
