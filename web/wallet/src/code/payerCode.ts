/**
 * The code of this device, as a page shows it: its digits, how much of the half minute is left, and what becomes of it.
 *
 *     looking ─┬─ nothing kept, or another's ──────────→ none       the PIN is asked for
 *              └─ kept ─→ ready ─ the server knows it no more → none
 *                           └─ a week without us ───────→ over      online: renewed is too late, so the PIN is asked for
 */
import { ApiError, deviceName, newKey } from '@shared'
import { computed, onBeforeUnmount, onMounted, ref, shallowRef, type ComputedRef, type Ref, type ShallowRef } from 'vue'
import { me } from '../session.ts'
import { bindCode, getInstruments, revokeInstrument } from './api.ts'
import { STEP_MS, USES } from './digits.ts'
import { digitsAt, forgetCode, fromBound, isOver, isStale, keepCode, keptCode, usesAt, type KeptCode } from './kept.ts'

export type CodeState = 'looking' | 'none' | 'ready' | 'over'

export interface PayerCode {
  state: Ref<CodeState>
  digits: Ref<string>
  /** Of the half minute, between 0 and 1. */
  left: Ref<number>
  /** Whether another code can be had in this half minute. */
  fresh: ComputedRef<boolean>
  code: ShallowRef<KeptCode | undefined>
  another: () => Promise<void>
  take: (bound: KeptCode) => Promise<void>
  /** With a network: whether it still pays, and renew it once a day. */
  check: () => Promise<void>
  serverNow: () => number
}

const TICK_MS = 250
const MOST_PAGES = 5

/** Whoever logs out leaves no code behind on the device. */
export async function endCode(): Promise<void> {
  const kept = await keptCode()
  if (!kept) return
  await forgetCode()
  try {
    await revokeInstrument(kept.number)
  } catch {
    // It is gone from here, so nobody can show it; it ends by itself within a week.
  }
}

export function usePayerCode(): PayerCode {
  const state = ref<CodeState>('looking')
  const digits = ref('')
  const left = ref(1)
  const uses = ref(0)
  const code = shallowRef<KeptCode>()
  let drawn = ''
  let timer = 0
  let checking = false

  async function draw(): Promise<void> {
    const now = Date.now()
    const mine = code.value
    if (!mine) return
    if (isOver(mine, now)) {
      state.value = 'over'
      digits.value = drawn = ''
      return
    }
    const at = usesAt(mine, now)
    left.value = 1 - ((now + mine.ahead) % STEP_MS) / STEP_MS
    uses.value = at.uses
    const mark = `${mine.number} ${at.step} ${at.uses}`
    if (mark === drawn) return
    drawn = mark
    const made = await digitsAt(mine, now)
    if (drawn === mark) digits.value = made
    state.value = 'ready'
  }

  async function take(bound: KeptCode): Promise<void> {
    code.value = bound
    await keepCode(bound)
    await draw()
  }

  async function drop(): Promise<void> {
    code.value = undefined
    digits.value = drawn = ''
    state.value = 'none'
    await forgetCode()
  }

  async function another(): Promise<void> {
    const mine = code.value
    if (!mine) return
    const at = usesAt(mine)
    await take({ ...mine, shown: { step: at.step, uses: Math.min(at.uses + 1, USES - 1) } })
  }

  async function check(): Promise<void> {
    const mine = code.value
    if (!mine || checking || !me.value) return
    checking = true
    try {
      if (mine.customerId !== me.value.customer_id || isOver(mine)) await drop()
      else if (mine.renewal || isStale(mine)) await renew(mine)
      else if (!(await stillPays(mine.number))) await drop()
    } catch (thrown) {
      // Whatever else went wrong, the code is as good as it was; the next check asks again.
      if (thrown instanceof ApiError && thrown.family === 'decline') await drop()
    } finally {
      checking = false
    }
  }

  async function renew(mine: KeptCode): Promise<void> {
    const asking = { ...mine, renewal: mine.renewal ?? newKey() }
    await take(asking)
    const asked = Date.now()
    const bound = await bindCode(asking.renewal, { name: deviceName(), replaces: mine.number })
    await take(await fromBound(bound, mine.customerId, asked))
  }

  async function stillPays(number: string): Promise<boolean> {
    let cursor: string | null = null
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const found = await getInstruments(cursor)
      if (found.items.some((one) => one.number === number && one.current)) return true
      cursor = found.next_cursor
      if (cursor === null) return false
    }
    return true // so many that it is not looked for further
  }

  onMounted(async () => {
    const found = await keptCode()
    if (found && (!me.value || me.value.customer_id === found.customerId)) {
      code.value = found
      await draw()
    } else state.value = 'none'
    timer = window.setInterval(() => void draw(), TICK_MS)
  })
  onBeforeUnmount(() => window.clearInterval(timer))
  return {
    state, digits, left, code, another, take, check,
    fresh: computed(() => uses.value < USES - 1),
    serverNow: () => Date.now() + (code.value?.ahead ?? 0),
  }
}
