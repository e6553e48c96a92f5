/** Who is at the till. The session itself is an HttpOnly cookie that scripts never see; this only remembers its holder. */
import { shallowRef } from 'vue'
import type { Staff } from '@shared/api/types.ts'

/** undefined: not asked yet; null: nobody is logged in. */
export const staff = shallowRef<Staff | null | undefined>(undefined)

const listeners = new Set<() => void>()

/** Run `act` when the server says the session has ended. */
export function onSessionEnd(act: () => void): void {
  listeners.add(act)
}

export function sessionEnded(): void {
  const wasIn = Boolean(staff.value)
  staff.value = null
  if (wasIn) listeners.forEach((act) => act())
}

/** The currency this merchant is paid in. */
export const currencyOf = (): string => (staff.value?.merchant as { currency?: string } | undefined)?.currency ?? 'CNY'
