/**
 * Four eyes: which acts take two operators here, and how much waits for somebody's eyes. Asked once after log-in, and the numbers
 * again every half minute while the window is looked at.
 */
import { shallowRef, watch } from 'vue'
import { api } from './api.ts'
import { may } from './roles.ts'
import { operator } from './session.ts'
import type { ActKind, Waiting } from './wire.ts'

const ASK_MS = 30_000

export const kinds = shallowRef<ActKind[]>([])
/** Whether sensitive acts take two people in this installation. */
export const fourEyes = shallowRef(true)
export const waiting = shallowRef<Waiting>()

export const kindOf = (name: string): ActKind | undefined => kinds.value.find((one) => one.kind === name)

/** Whether this operator may propose an act of this kind. */
export function mayPropose(name: string): boolean {
  const kind = kindOf(name)
  return kind !== undefined && may(kind.propose)
}

export async function askWaiting(): Promise<void> {
  if (!may('proposals')) return
  try {
    waiting.value = await api.waiting()
  } catch {
    // The next round asks again; the page that needs it says what is wrong.
  }
}

async function askKinds(): Promise<void> {
  if (!may('proposals')) return
  try {
    const answer = await api.kinds()
    kinds.value = answer.kinds
    fourEyes.value = answer.four_eyes
  } catch {
    // Nothing that takes two is offered until the page is loaded anew.
  }
}

/** Follow who is at the desk. Call once. */
export function startEyes(): void {
  watch(operator, (who) => {
    waiting.value = undefined
    if (who) void Promise.all([askKinds(), askWaiting()])
  }, { immediate: true })
  window.setInterval(() => {
    if (operator.value && document.visibilityState === 'visible') void askWaiting()
  }, ASK_MS)
}
