/**
 * From "confirm" to an outcome: ask for the PIN, send, and know what to show.
 *
 *     idle ─ask→ pin ─six digits→ sending ─→ done
 *                 ↑                 ├─ wrong PIN ──────→ pin, with the tries left
 *                 └─ again ← failed ┴─ no answer ──────→ unknown ─ asked again with the same key → done | failed
 *
 * The Idempotency-Key lives as long as the attempt: through lost answers, until the server has decided.
 */
import { ApiError, Attempt } from '@shared'
import { computed, onBeforeUnmount, ref, shallowRef, type ComputedRef, type Ref, type ShallowRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { me } from './session.ts'
import { t } from './words.ts'

export type Phase = 'idle' | 'pin' | 'sending' | 'unknown' | 'failed' | 'done'

/** How a person agreed, as the body of the act carries it. */
export type Agreed = { pin: string }

export interface ConfirmFlow {
  phase: Ref<Phase>
  pin: Ref<string>
  pinError: Ref<string | null>
  failure: ShallowRef<ApiError | undefined>
  checking: Ref<boolean>
  sheetOpen: ComputedRef<boolean>
  ask: () => void
  cancel: () => void
  complete: (pin: string) => void
  checkAgain: () => void
  again: () => void
}

const WAITS = [2_000, 3_000, 5_000, 8_000, 13_000]

export function useConfirmFlow<T>(send: (agreed: Agreed, key: string) => Promise<T>, finished: (result: T) => void): ConfirmFlow {
  const router = useRouter()
  const route = useRoute()
  const attempt = new Attempt()
  const phase = ref<Phase>('idle')
  const pin = ref('')
  const pinError = ref<string | null>(null)
  const failure = shallowRef<ApiError>()
  const checking = ref(false)
  const sheetOpen = computed(() => phase.value === 'pin' || phase.value === 'sending')
  let kept = ''
  let timer = 0
  let round = 0
  onBeforeUnmount(() => clearTimeout(timer))

  function ask(): void {
    if (me.value && !me.value.has_pin) {
      void router.push({ name: 'set-pin', query: { next: route.fullPath } })
      return
    }
    pin.value = ''
    pinError.value = null
    failure.value = undefined
    phase.value = 'pin'
  }

  async function sendNow(): Promise<void> {
    try {
      const result = await attempt.run((key) => send({ pin: kept }, key))
      phase.value = 'done'
      kept = ''
      finished(result)
    } catch (thrown) {
      settle(ApiError.from(thrown))
    } finally {
      pin.value = ''
    }
  }

  function settle(error: ApiError): void {
    if (error.unknownOutcome) {
      phase.value = 'unknown'
      failure.value = error
      const wait = WAITS[round]
      round += 1
      if (wait !== undefined) timer = window.setTimeout(checkAgain, wait)
      return
    }
    kept = ''
    if (error.code === 'wrong_pin') {
      const left = error.detail['attempts_left']
      pinError.value = typeof left === 'number' ? t('pinAttempts', { n: left }) : t('pinWrong')
      phase.value = 'pin'
      return
    }
    failure.value = error
    phase.value = 'failed'
  }

  async function checkAgainNow(): Promise<void> {
    clearTimeout(timer)
    if (checking.value) return
    checking.value = true
    await sendNow()
    checking.value = false
  }
  function checkAgain(): void {
    void checkAgainNow()
  }

  return {
    phase,
    pin,
    pinError,
    failure,
    checking,
    sheetOpen,
    ask,
    cancel: () => {
      if (phase.value === 'pin') phase.value = 'idle'
    },
    complete: (digits) => {
      kept = digits
      round = 0
      pinError.value = null
      phase.value = 'sending'
      void sendNow()
    },
    checkAgain,
    again: () => {
      failure.value = undefined
      phase.value = 'idle'
    },
  }
}
