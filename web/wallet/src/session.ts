/** Who is logged in on this device. `me` is undefined until asked, null when nobody is. */
import { ApiError, hasBinding, type Me } from '@shared'
import { shallowRef } from 'vue'
import { getMe } from './api.ts'

export { deviceName } from '@shared'

export const me = shallowRef<Me | null | undefined>()

/** Ask once; throws when the server cannot be reached, so that a lost network does not look like a logout. */
export async function ready(): Promise<Me | null> {
  if (me.value === undefined) {
    if (await hasBinding('wallet')) await refresh()
    else me.value = null
  }
  return me.value ?? null
}

export async function refresh(): Promise<void> {
  try {
    me.value = await getMe()
  } catch (thrown) {
    if (!(thrown instanceof ApiError && thrown.status === 401)) throw thrown
    me.value = null
  }
}
