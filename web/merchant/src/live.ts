/**
 * What happens to the merchant's orders, as it happens.
 *
 *   live      the event stream is open: every event comes at once
 *   polling   it broke: pages are told to look for themselves every three seconds, while we keep trying to reopen it
 *   off       nobody is logged in
 *
 * The browser reopens a dropped stream itself and sends Last-Event-ID, so nothing is missed; a stream the server refused
 * is reopened here, and pages are told to look once when it is back.
 */
import { onScopeDispose, ref } from 'vue'
import type { MerchantEvent, MerchantEventName } from '@shared/api/types.ts'

/** Every kind there is: the type holds this list to it, so that a new kind is not one that nobody hears. */
const KINDS: Record<MerchantEventName, true> = {
  'payment.created': true,
  'payment.pending': true,
  'payment.reopened': true,
  'payment.authorised': true,
  'payment.captured': true,
  'payment.paid': true,
  'payment.voided': true,
  'payment.reversed': true,
  'payment.closed': true,
  'payment.expired': true,
  'payment.refunded': true,
  'refund.succeeded': true,
}
const NAMES = Object.keys(KINDS) as MerchantEventName[]
const POLL_MS = 3_000
const REOPEN_MS = [2_000, 5_000, 15_000]

export const liveState = ref<'off' | 'live' | 'polling'>('off')

type OnEvent = (event: MerchantEvent, name: MerchantEventName) => void
const onEvents = new Set<OnEvent>()
const onLooks = new Set<() => void>()

let stream: EventSource | null = null
let poll = 0
let reopen = 0
let failures = 0

export function startLive(): void {
  if (stream) return
  stream = new EventSource('/v1/merchant/events')
  stream.onopen = () => {
    const wasBroken = liveState.value === 'polling'
    failures = 0
    window.clearInterval(poll)
    liveState.value = 'live'
    if (wasBroken) onLooks.forEach((look) => look())
  }
  stream.onerror = () => {
    fallBack()
    if (stream?.readyState === EventSource.CLOSED) {
      stream = null
      reopen = window.setTimeout(startLive, REOPEN_MS[Math.min(failures, REOPEN_MS.length - 1)])
      failures += 1
    }
  }
  for (const name of NAMES) {
    stream.addEventListener(name, (message: MessageEvent<string>) => {
      const event = JSON.parse(message.data) as MerchantEvent
      onEvents.forEach((act) => act(event, name))
    })
  }
}

export function stopLive(): void {
  stream?.close()
  stream = null
  window.clearInterval(poll)
  window.clearTimeout(reopen)
  liveState.value = 'off'
}

function fallBack(): void {
  if (liveState.value === 'polling') return
  liveState.value = 'polling'
  window.clearInterval(poll)
  poll = window.setInterval(() => onLooks.forEach((look) => look()), POLL_MS)
}

/** For the life of the calling component: `act` on every event, `look` whenever the stream cannot be relied on. */
export function useLive(act: OnEvent, look: () => void): void {
  onEvents.add(act)
  onLooks.add(look)
  onScopeDispose(() => {
    onEvents.delete(act)
    onLooks.delete(look)
  })
}
