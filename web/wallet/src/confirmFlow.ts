/**
 * From "confirm" to an outcome: ask the person to agree, send, and know what to show.
 *
 *     idle ─ask→ asking ─passkey, or six digits→ sending ─→ done
 *                 ↑                                 ├─ wrong PIN, code → asking, with the tries left
 *                 └─ again ← failed ────────────────┴─ no answer ──────→ unknown ─ asked again with the same key → done | failed
 *
 * They agree by a passkey, where they have one and the act is one that a passkey can be asked about; else by the PIN, which this
 * device's certificate signs, where it has one. Where the law wants two factors and there is no passkey, the authenticator app's code
 * goes with the PIN. The Idempotency-Key lives as long as the attempt: through lost answers, until the
 * server has decided. What was agreed to is bound to that key.
 */
import { ApiError, Attempt, type ActAsked, type PasskeyProof, type SignatureProof } from '@shared'
import { computed, onBeforeUnmount, ref, shallowRef, type ComputedRef, type Ref, type ShallowRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { getActChallenge } from './security/api.ts'
import { forgetSigningKey, sign } from './security/signingKey.ts'
import { hasPasskey, learnWays, ownKey } from './security/ways.ts'
import { isDeclined, usePasskey } from './security/webauthn.ts'
import { me } from './session.ts'
import { t } from './words.ts'

export type Phase = 'idle' | 'asking' | 'sending' | 'unknown' | 'failed' | 'done'
export type Way = 'passkey' | 'pin' | 'app'
/** What is agreed to, as a challenge names it; its key is the attempt's. */
export type Act = Omit<ActAsked, 'request_key'>
/** How a person agreed, as the body of the act carries it. */
export type Agreed = { pin: string; totp?: string } | { confirmation: PasskeyProof | SignatureProof }

/** An act that is the person's own and of no sum. */
export const ownAct = (act: Act['act'], detail = ''): Act | undefined => (me.value ? { act, counterparty_id: me.value.customer_id, detail } : undefined)

export interface ConfirmFlow {
  phase: Ref<Phase>
  way: Ref<Way>
  /** Whether there is another way to offer. */
  choice: ComputedRef<boolean>
  pin: Ref<string>
  /** What the authenticator app shows, where it goes with the PIN. */
  code: Ref<string>
  problem: Ref<string | null>
  failure: ShallowRef<ApiError | undefined>
  /** The key under which the last attempt was declined. */
  declined: Ref<string | null>
  checking: Ref<boolean>
  sheetOpen: ComputedRef<boolean>
  ask: (way?: Way) => void
  turn: (way: Way) => void
  cancel: () => void
  complete: (pin: string) => void
  confirmByPasskey: () => void
  checkAgain: () => void
  again: () => void
}

const WAITS = [2_000, 3_000, 5_000, 8_000, 13_000]
const CERTIFICATE_GONE = new Set(['certificate_unknown', 'certificate_revoked', 'certificate_expired'])

export function useConfirmFlow<T>(send: (agreed: Agreed, key: string) => Promise<T>, finished: (result: T) => void, act?: () => Act | undefined): ConfirmFlow {
  const router = useRouter()
  const route = useRoute()
  const attempt = new Attempt()
  const phase = ref<Phase>('idle')
  const way = ref<Way>('pin')
  const pin = ref('')
  const code = ref('')
  const problem = ref<string | null>(null)
  const failure = shallowRef<ApiError>()
  const declined = ref<string | null>(null)
  const checking = ref(false)
  const sheetOpen = computed(() => phase.value === 'asking' || phase.value === 'sending')
  const choice = computed(() => Boolean(act && hasPasskey.value && me.value?.has_pin))
  let kept: Agreed | undefined
  let timer = 0
  let round = 0
  onBeforeUnmount(() => clearTimeout(timer))
  if (act) void learnWays()

  function ask(wanted?: Way): void {
    way.value = wanted ?? (act && hasPasskey.value ? 'passkey' : 'pin')
    if (way.value !== 'passkey' && me.value && !me.value.has_pin) {
      void router.push({ name: 'set-pin', query: { next: route.fullPath } })
      return
    }
    pin.value = code.value = ''
    problem.value = null
    failure.value = undefined
    phase.value = 'asking'
  }

  /** Ask the person, then send. What they agreed to is kept, so that asking again says the very same. */
  async function go(agree: () => Promise<Agreed>): Promise<void> {
    round = 0
    problem.value = null
    phase.value = 'sending'
    try {
      kept = await agree()
    } catch (thrown) {
      pin.value = ''
      if (isDeclined(thrown)) {
        problem.value = t('passkeyGivenUp')
        phase.value = 'asking'
      } else {
        failure.value = ApiError.from(thrown)
        phase.value = 'failed'
      }
      return
    }
    await sendNow()
  }

  async function sendNow(): Promise<void> {
    const key = attempt.key
    try {
      const agreed = kept
      if (!agreed) return
      const result = await attempt.run((now) => send(agreed, now))
      phase.value = 'done'
      kept = undefined
      attempt.renew()
      finished(result)
    } catch (thrown) {
      settle(ApiError.from(thrown), key)
    } finally {
      pin.value = ''
    }
  }

  function settle(error: ApiError, key: string): void {
    if (error.unknownOutcome) {
      phase.value = 'unknown'
      failure.value = error
      const wait = WAITS[round]
      round += 1
      if (wait !== undefined) timer = window.setTimeout(checkAgain, wait)
      return
    }
    kept = undefined
    if (error.code === 'wrong_pin') {
      const left = error.detail['attempts_left']
      problem.value = typeof left === 'number' ? t('pinAttempts', { n: left }) : t('pinWrong')
      phase.value = 'asking'
      return
    }
    if (error.code.startsWith('totp_') && way.value === 'app') {
      code.value = ''
      problem.value = error.text
      phase.value = 'asking'
      return
    }
    if (CERTIFICATE_GONE.has(error.code)) {
      ownKey.value = undefined
      void forgetSigningKey()
    }
    declined.value = error.family === 'decline' ? key : null
    failure.value = error
    phase.value = 'failed'
  }

  async function byPin(digits: string): Promise<Agreed> {
    if (way.value === 'app') return { pin: digits, totp: code.value }
    const [key, asked] = [ownKey.value, act?.()]
    if (!key || !asked) return { pin: digits }
    const { text } = await getActChallenge({ ...asked, request_key: attempt.key })
    return { confirmation: { kind: 'certificate', certificate_id: key.certificateId, signature: await sign(key.privateKey, text), pin: digits } }
  }
  async function byPasskey(): Promise<Agreed> {
    const asked = act?.()
    if (!asked) throw ApiError.from(undefined)
    return { confirmation: await usePasskey(await getActChallenge({ ...asked, request_key: attempt.key })) }
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
    way,
    choice,
    pin,
    code,
    problem,
    failure,
    declined,
    checking,
    sheetOpen,
    ask,
    turn: (wanted) => {
      problem.value = null
      way.value = wanted
    },
    cancel: () => {
      if (phase.value === 'asking') phase.value = 'idle'
    },
    complete: (digits) => {
      if (way.value === 'app' && !code.value.trim()) {
        pin.value = ''
        problem.value = t('codeFirst')
        return
      }
      void go(() => byPin(digits))
    },
    confirmByPasskey: () => void go(byPasskey),
    checkAgain,
    again: () => {
      failure.value = undefined
      phase.value = 'idle'
    },
  }
}
