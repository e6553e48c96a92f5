import { createHash, createHmac } from 'node:crypto'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createClient } from '../src/api/client.ts'
import { keepBinding, proofOf } from '../src/api/device.ts'
import { hmac, sha256 } from '../src/api/sha256.ts'

const SECRET = Buffer.from('0123456789abcdef0123456789abcdef')
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('hashing without WebCrypto', () => {
  it('agrees with another implementation at every length around the blocks', () => {
    for (let length = 0; length < 200; length += 1) {
      const message = Buffer.alloc(length, length)
      expect(hex(sha256(message))).toBe(createHash('sha256').update(message).digest('hex'))
      expect(hex(hmac(SECRET, message))).toBe(createHmac('sha256', SECRET).update(message).digest('hex'))
    }
  })
})

describe('the proof of a device', () => {
  const expected = (seconds: number, target = '/v1/wallet/pin', body = '{}'): string => {
    const digest = createHash('sha256').update(body).digest('hex')
    return `${seconds}.${createHmac('sha256', SECRET).update(`POST\n${target}\n${seconds}\nkey-1\n${digest}`).digest('hex')}`
  }

  it('is none before a log-in', async () => {
    expect(await proofOf('console', 'POST', '/v1/console/logout', '')).toBeNull()
  })

  it('is the same with WebCrypto and without', async () => {
    vi.useFakeTimers({ now: 1_800_000_000_000, toFake: ['Date'] })
    await keepBinding('wallet', SECRET.toString('base64url'))
    expect(await proofOf('wallet', 'POST', '/v1/wallet/pin?a=b', 'key-1', '{"pin":"数"}')).toBe(expected(1_800_000_000, '/v1/wallet/pin?a=b', '{"pin":"数"}'))
    vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) })
    await keepBinding('wallet', SECRET.toString('base64url'))
    expect(await proofOf('wallet', 'POST', '/v1/wallet/pin?a=b', 'key-1', '{"pin":"数"}')).toBe(expected(1_800_000_000, '/v1/wallet/pin?a=b', '{"pin":"数"}'))
  })

  it('is made once more by the server\'s clock where this one is off', async () => {
    vi.useFakeTimers({ now: 1_800_000_000_000, toFake: ['Date'] })
    const proofs: (string | null)[] = []
    vi.stubGlobal('fetch', (_path: string, request: RequestInit) => {
      proofs.push(new Headers(request.headers).get('X-Tongbao-Proof'))
      const error = { code: 'device_proof_wrong', message: '…', family: 'refusal', money_moved: false, retryable: false, detail: { now: 1_800_009_000 } }
      return Promise.resolve(new Response(JSON.stringify(proofs.length > 1 ? {} : { error }), { status: proofs.length > 1 ? 200 : 401 }))
    })
    await keepBinding('wallet', SECRET.toString('base64url'))
    await createClient('wallet').post('/pin', { key: 'key-1', body: {} })
    expect(proofs).toEqual([expected(1_800_000_000), expected(1_800_009_000)])
  })

  it('that stays wrong ends the session here', async () => {
    const error = { code: 'device_proof_wrong', message: '…', family: 'refusal', money_moved: false, retryable: false, detail: {} }
    vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify({ error }), { status: 401 })))
    const ended = vi.fn()
    await expect(createClient('wallet', ended).post('/pin', { key: 'key-1', body: {} })).rejects.toThrow()
    expect(ended).toHaveBeenCalledOnce()
  })

  it('is kept of whatever log-in answers', async () => {
    vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify({ token: 't', binding: SECRET.toString('base64url') }))))
    await createClient('merchant').post('/login', { body: {} })
    expect(await proofOf('merchant', 'POST', '/v1/merchant/logout', '')).toMatch(/^\d{10}\.[0-9a-f]{64}$/)
  })
})
