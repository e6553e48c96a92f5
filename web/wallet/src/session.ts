/** Who is logged in on this device. `me` is undefined until asked, null when nobody is. */
import { ApiError, type Me } from '@shared'
import { shallowRef } from 'vue'
import { getMe } from './api.ts'

export const me = shallowRef<Me | null | undefined>()

/** Ask once; throws when the server cannot be reached, so that a lost network does not look like a logout. */
export async function ready(): Promise<Me | null> {
  if (me.value === undefined) await refresh()
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

/** What the list of devices will call this one: "Chrome · Android". */
export function deviceName(): string {
  const agent = navigator.userAgent
  const pick = (pairs: [RegExp, string][], otherwise: string): string => pairs.find(([pattern]) => pattern.test(agent))?.[1] ?? otherwise
  const browser = pick([[/Edg\//, 'Edge'], [/Firefox\//, 'Firefox'], [/Chrome\//, 'Chrome'], [/Safari\//, 'Safari']], 'Browser')
  const system = pick([[/Android/, 'Android'], [/iPhone|iPad/, 'iOS'], [/Windows/, 'Windows'], [/Mac OS/, 'macOS'], [/Linux/, 'Linux']], '')
  return system ? `${browser} · ${system}` : browser
}
