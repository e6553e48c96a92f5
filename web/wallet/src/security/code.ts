/** A one-time code that is sent when asked for, and again a minute later. */
import type { ApiError } from '@shared'
import { onBeforeUnmount, ref, type Ref, type ShallowRef } from 'vue'
import { useAct } from '../act.ts'

const RESEND_S = 60

export interface CodeAsking {
  busy: Ref<boolean>
  failure: ShallowRef<ApiError | undefined>
  /** Seconds until another may be sent. */
  wait: Ref<number>
  /** True once it is sent; `refused` may show an error beside its field (and answers true). */
  send: (refused?: (error: ApiError) => boolean) => Promise<boolean>
}

/** `ask` asks the server to send one. `sentAt`: one was sent then already, in milliseconds. */
export function useCode(ask: (key: string) => Promise<void>, sentAt?: number): CodeAsking {
  const { busy, failure, run } = useAct()
  const wait = ref(0)
  let timer = 0
  onBeforeUnmount(() => clearInterval(timer))

  function count(seconds: number): void {
    clearInterval(timer)
    wait.value = seconds
    timer = window.setInterval(() => {
      wait.value -= 1
      if (wait.value <= 0) clearInterval(timer)
    }, 1000)
  }

  const due = sentAt === undefined ? 0 : Math.ceil((sentAt - Date.now()) / 1000) + RESEND_S
  if (due > 0) count(due)

  async function send(refused?: (error: ApiError) => boolean): Promise<boolean> {
    const sent = await run(ask, (error) => {
      const after = error.code === 'code_too_soon' ? Date.parse(String(error.detail['after'])) : Number.NaN
      if (after > Date.now()) count(Math.min(RESEND_S, Math.ceil((after - Date.now()) / 1000)))
      return refused?.(error) ?? false
    })
    if (sent) count(RESEND_S)
    return sent
  }
  return { busy, failure, wait, send }
}
