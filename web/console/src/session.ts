/** Which operator is at the desk. The session itself is an HttpOnly cookie that scripts never see. */
import { shallowRef } from 'vue'
import type { Operator } from '@shared/api/types.ts'

/** undefined: not asked yet; null: nobody is logged in. */
export const operator = shallowRef<Operator | null | undefined>(undefined)

const listeners = new Set<() => void>()

/** Run `act` when the server says the session has ended. */
export function onSessionEnd(act: () => void): void {
  listeners.add(act)
}

export function sessionEnded(): void {
  const wasIn = Boolean(operator.value)
  operator.value = null
  if (wasIn) listeners.forEach((act) => act())
}
