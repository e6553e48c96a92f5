/** What was last heard of how well this person is known, for places that only hint at it. */
import type { RealName } from '@shared'
import { shallowRef, watch } from 'vue'
import { me } from '../session.ts'
import { getRealName } from './api.ts'

export const known = shallowRef<RealName>()
watch(me, (now, before) => {
  if (now?.customer_id !== before?.customer_id) known.value = undefined
})

/** Ask, unless they are known already and what may change meanwhile is not wanted; a hint that cannot be had is left out. */
export async function learnLevel(anew = false): Promise<void> {
  if (known.value?.level && !anew) return
  try {
    known.value = await getRealName()
  } catch {
    known.value = undefined
  }
}
