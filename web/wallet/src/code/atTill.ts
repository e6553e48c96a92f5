/** What becomes of the code at the till: looked for every other second while the page is seen and the network is there. */
import { ApiError, type Payment } from '@shared'
import { onBeforeUnmount, onMounted, ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { ready } from '../session.ts'
import { getTill } from './api.ts'

export interface AtTillView {
  /** The order that waits for this person's word, the oldest first. */
  asked: ShallowRef<Payment | undefined>
  online: Ref<boolean>
  /** This payment was shown as paid already. */
  known: (paymentId: string) => void
}

const EVERY_MS = 2_000
/** What was shown as paid already, for as long as the program runs. */
const told = new Set<string>()

/** `since`: what was paid before this moment (by our clock) is no news. `waiting`: a card is being asked for what was shown. */
export function useAtTill(since: () => number, paid: (payment: Payment) => void, waiting: (payment: Payment) => void): AtTillView {
  const asked = shallowRef<Payment>()
  const online = ref(navigator.onLine)
  const leaving = new AbortController()
  let timer = 0
  let looking = false

  async function look(): Promise<void> {
    if (looking || document.visibilityState !== 'visible' || !navigator.onLine) return
    looking = true
    try {
      // A page that was opened without a network learns here whose it is.
      if (!(await ready())) return
      const found = await getTill(leaving.signal)
      online.value = true
      asked.value = found.asked.at(-1)
      const [unknown] = found.waiting
      if (unknown && !told.has(unknown.payment_id)) {
        told.add(unknown.payment_id)
        waiting(unknown)
        return
      }
      for (const one of found.paid) {
        if (told.has(one.payment_id)) continue
        told.add(one.payment_id)
        if (one.paid_at && Date.parse(one.paid_at) >= since()) paid(one)
      }
    } catch (thrown) {
      if (!leaving.signal.aborted && thrown instanceof ApiError && thrown.family === 'network') online.value = false
    } finally {
      looking = false
    }
  }
  const connection = (): void => {
    online.value = navigator.onLine
    void look()
  }
  onMounted(() => {
    void look()
    timer = window.setInterval(() => void look(), EVERY_MS)
    window.addEventListener('online', connection)
    window.addEventListener('offline', connection)
    document.addEventListener('visibilitychange', connection)
  })
  onBeforeUnmount(() => {
    leaving.abort()
    window.clearInterval(timer)
    window.removeEventListener('online', connection)
    window.removeEventListener('offline', connection)
    document.removeEventListener('visibilitychange', connection)
  })
  return { asked, online, known: (paymentId) => void told.add(paymentId) }
}
