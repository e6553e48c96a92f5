import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Attempt } from '../src/api/attempt.ts'
import { createClient } from '../src/api/client.ts'
import { ApiError } from '../src/api/error.ts'

type Told = { status: number; code?: string; retryAfter?: string } | 'lost'

const texts = { zh: '…', en: '…' }
let sent: { key: string | null; at: number }[]

/** A server that tells these, one after another. */
function server(...told: Told[]): void {
  sent = []
  vi.stubGlobal('fetch', (_path: string, request: RequestInit) => {
    sent.push({ key: new Headers(request.headers).get('Idempotency-Key'), at: Date.now() })
    const next = told.shift() ?? { status: 200 }
    if (next === 'lost') return Promise.reject(new TypeError('Failed to fetch'))
    const retryable = next.status === 429 || next.status >= 500
    const error = { code: next.code ?? 'overloaded', message: '…', messages: texts, family: 'refusal', money_moved: false, retryable }
    const headers: HeadersInit = next.retryAfter ? { 'Retry-After': next.retryAfter } : {}
    return Promise.resolve(new Response(JSON.stringify(next.status < 300 ? {} : { error }), { status: next.status, headers }))
  })
}

/** What a call comes to, with all its pauses. */
async function comesTo(call: Promise<unknown>): Promise<unknown> {
  const settled = call.then(() => 'ok', (thrown: unknown) => thrown)
  await vi.runAllTimersAsync()
  return settled
}

/** Milliseconds between one request and the next. */
function pauses(): number[] {
  return sent.slice(1).map((each, before) => each.at - (sent[before]?.at ?? Number.NaN))
}

beforeEach(() => vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const client = createClient('wallet')
const pay = (key: string): Promise<unknown> => client.post('/payments', { key, body: {} })

describe('a server that has too much to do', () => {
  it('is asked again with the same key, never before the time it named', async () => {
    server({ status: 429, retryAfter: '2' }, { status: 429, retryAfter: '3' }, { status: 201 })
    expect(await comesTo(pay('key-1'))).toBe('ok')
    expect(sent.map((each) => each.key)).toEqual(['key-1', 'key-1', 'key-1'])
    const [first, second] = pauses()
    expect(first).toBeGreaterThanOrEqual(2000)
    expect(first).toBeLessThanOrEqual(3000)
    expect(second).toBeGreaterThanOrEqual(3000)
  })

  it('is not asked by everybody at the same moment', async () => {
    const seen = new Set<number | undefined>()
    for (let round = 0; round < 20; round += 1) {
      server({ status: 429, retryAfter: '1' })
      await comesTo(pay('key-2'))
      seen.add(pauses()[0])
    }
    expect(seen.size).toBeGreaterThan(5)
  })

  it('that wants more time than people wait at a screen is not asked again', async () => {
    server({ status: 429, retryAfter: '30' })
    const thrown = await comesTo(pay('key-3'))
    expect(thrown).toBeInstanceOf(ApiError)
    expect((thrown as ApiError).code).toBe('overloaded')
    expect(sent).toHaveLength(1)
  })

  it('is not asked again by a call that has no key', async () => {
    server({ status: 429, retryAfter: '1' })
    expect(await comesTo(client.post('/login', { body: {} }))).toBeInstanceOf(ApiError)
    expect(sent).toHaveLength(1)
  })

  it('leaves unknown what became of an earlier try that was lost', async () => {
    server('lost', { status: 429, retryAfter: '30' })
    const thrown = (await comesTo(pay('key-4'))) as ApiError
    expect(thrown.code).toBe('overloaded')
    expect(thrown.unknownOutcome).toBe(true)
  })

  it('keeps the attempt, so that the next try carries the same key', async () => {
    const attempt = new Attempt()
    const first = attempt.key
    server({ status: 429, retryAfter: '30' })
    await comesTo(attempt.run(pay))
    expect(attempt.key).toBe(first)
    server({ status: 403, code: 'wrong_pin' })
    await comesTo(attempt.run(pay))
    expect(attempt.key).not.toBe(first)
  })
})
