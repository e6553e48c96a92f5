/**
 * The one way to the server: fetch with the session cookie, a time limit, typed errors, and idempotency.
 *
 * A call that acts carries the key of the person's *attempt* (see attempt.ts). When the network fails, the same key is
 * sent again a few times, so that a lost answer is found and nothing happens twice; a decline is never repeated.
 *
 * A server that has too much to do says when to come back (Retry-After). We do, a little later each of us, with the same
 * key; if it asks for more than people wait at a screen, the person is told instead.
 *
 * Whatever changes something carries the proof that it comes from the device that logged in (see device.ts).
 */
import { language } from '../i18n/language.ts'
import { deviceToken, forgetBinding, keepBinding, keepDeviceToken, proofOf, reread } from './device.ts'
import { ApiError, type ErrorBody } from './error.ts'

export type Audience = 'wallet' | 'merchant' | 'console'
export type Query = Record<string, string | number | boolean | null | undefined>

export interface CallOptions {
  query?: Query
  body?: unknown
  /** The Idempotency-Key of this attempt. With it (or for GET) the call may be repeated after a network failure. */
  key?: string
  /** May this call move money? With a key it is taken to, unless told `false`; then a lost answer raises no alarm. */
  money?: boolean
  /** Whose log-in this is, where the body does not say: this device may be known to them. */
  login?: string
  /** Milliseconds for each try. */
  timeout?: number
  signal?: AbortSignal
}

export interface ApiClient {
  get<T>(path: string, options?: CallOptions): Promise<T>
  post<T>(path: string, options?: CallOptions): Promise<T>
  put<T>(path: string, options?: CallOptions): Promise<T>
  /** A file that is made as it is sent. `timeout` is for the whole of it; `received` hears the bytes so far. Never repeated. */
  download(path: string, options: CallOptions & { received?: (bytes: number) => void }): Promise<Blob>
  delete(path: string, options?: CallOptions): Promise<void>
}

const TIMEOUT = 15_000
const PAUSES = [400, 1_200]
const LONGEST_PAUSE = 5_000
/** Where a device shows that it is known. */
const ENTRANCES = new Set(['/login', '/login/totp', '/register', '/recovery', '/recovery/code'])
/** What a session cannot go on after, on this device. */
const ENDED = new Set(['unauthenticated', 'device_proof_missing', 'device_proof_wrong'])

/** A client of /v1/<audience>. `onUnauthenticated` runs when the session has ended, before the error is thrown. */
export function createClient(audience: Audience, onUnauthenticated?: () => void): ApiClient {
  async function call<T>(method: string, path: string, given: CallOptions = {}): Promise<T> {
    const options = ENTRANCES.has(path) ? { ...given, body: await withDevice(audience, given) } : given
    const acted = method !== 'GET'
    const pauses = acted && !options.key ? [] : PAUSES
    let unheard = false
    let mended = false
    for (let round = 0; ; round += 1) {
      try {
        const answer = await once<T>(audience, method, `/v1/${audience}${path}`, options)
        if (path === '/logout') await forgetBinding(audience)
        return answer
      } catch (thrown) {
        if (!(thrown instanceof ApiError)) throw thrown
        if (thrown.code === 'device_proof_wrong' && !mended) {
          mended = true
          reread(audience, thrown.detail['now'])
          continue
        }
        if (ENDED.has(thrown.code)) onUnauthenticated?.()
        // What an earlier try came to is not known, and a server that did not look at this one cannot know it either.
        unheard ||= thrown.unknownOutcome
        const failure = unheard && thrown.retryable ? thrown.unsettled() : thrown
        const pause = Math.max(pauses[round] ?? Infinity, thrown.retryAfter ?? 0)
        const worthAnother = thrown.family === 'network' || (thrown.retryable && (thrown.status >= 500 || thrown.status === 429))
        if (pause > LONGEST_PAUSE || !worthAnother || options.signal?.aborted) throw failure
        await new Promise((done) => setTimeout(done, pause * (1 + Math.random() / 2)))
      }
    }
  }
  return {
    get: (path, options) => call('GET', path, options),
    post: (path, options) => call('POST', path, options),
    put: (path, options) => call('PUT', path, options),
    download: async (path, options) => {
      try {
        return await once(audience, 'POST', `/v1/${audience}${path}`, options, (answer) => blobOf(answer, options.received))
      } catch (thrown) {
        if (thrown instanceof ApiError && ENDED.has(thrown.code)) onUnauthenticated?.()
        throw thrown
      }
    },
    delete: (path, options) => call('DELETE', path, options),
  }
}

async function once<T>(
  audience: Audience, method: string, path: string, options: CallOptions, read?: (answer: Response) => Promise<T>,
): Promise<T> {
  const acted = options.money ?? (method !== 'GET' && options.key !== undefined)
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(), options.timeout ?? TIMEOUT)
  const giveUp = (): void => limit.abort()
  options.signal?.addEventListener('abort', giveUp)
  let answer: Response
  let text: string
  const [target, body] = [path + queryString(options.query), options.body === undefined ? undefined : JSON.stringify(options.body)]
  try {
    answer = await fetch(target, {
      method,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: limit.signal,
      headers: await headersOf(audience, method, target, body, options),
      ...(body === undefined ? {} : { body }),
    })
    if (answer.ok && read) return await read(answer)
    text = await answer.text()
  } catch {
    if (options.signal?.aborted) throw new DOMException('given up', 'AbortError')
    throw ApiError.unreachable(acted, limit.signal.aborted)
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', giveUp)
  }
  const answered = parse(text)
  if (!answer.ok) {
    const later = Number(answer.headers.get('Retry-After') ?? Number.NaN)
    throw ApiError.fromAnswer(answer.status, (answered as { error?: ErrorBody } | undefined)?.error, acted, later >= 0 ? later * 1000 : null)
  }
  const opened = (answered ?? {}) as { binding?: unknown; device_token?: unknown }
  if (typeof opened.binding === 'string') await keepBinding(audience, opened.binding)
  if (typeof opened.device_token === 'string') await keepDeviceToken(audience, loginOf(options), opened.device_token)
  return answered as T
}

async function withDevice(audience: Audience, options: CallOptions): Promise<unknown> {
  const token = await deviceToken(audience, loginOf(options))
  return token ? { ...(options.body as object), device_token: token } : options.body
}

const loginOf = (options: CallOptions): string => options.login ?? String((options.body as { login?: string } | undefined)?.login ?? '')

async function blobOf(answer: Response, received: ((bytes: number) => void) | undefined): Promise<Blob> {
  const pieces: Uint8Array<ArrayBuffer>[] = []
  const reader = answer.body?.getReader()
  for (let bytes = 0; reader; ) {
    const { done, value } = await reader.read()
    if (done) break
    pieces.push(value)
    received?.((bytes += value.length))
  }
  return new Blob(pieces, { type: answer.headers.get('Content-Type') ?? 'application/octet-stream' })
}

async function headersOf(
  audience: Audience, method: string, target: string, body: string | undefined, options: CallOptions,
): Promise<Record<string, string>> {
  const headers: Record<string, string> = { Accept: 'application/json', 'Accept-Language': language.value }
  if (method !== 'GET') {
    headers['X-Tongbao-App'] = '1'
    const proof = await proofOf(audience, method, target, options.key ?? '', body)
    if (proof) headers['X-Tongbao-Proof'] = proof
  }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (options.key) headers['Idempotency-Key'] = options.key
  return headers
}

function parse(text: string): unknown {
  if (!text) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function queryString(query: Query | undefined): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined && value !== '') search.set(name, String(value))
  }
  const text = search.toString()
  return text ? `?${text}` : ''
}
