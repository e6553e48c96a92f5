/**
 * What shows the server that a request comes from the device that logged in. At log-in the server gives a secret; it is kept in
 * IndexedDB as a key that can sign and cannot be read out, not even by this page's own scripts. So a session that leaked (from a
 * log, a proxy, a copied cookie) can change nothing from elsewhere.
 */
import type { Audience } from './client.ts'
import { hmac, sha256 } from './sha256.ts'

type Secret = CryptoKey | Uint8Array<ArrayBuffer>

const STORE = 'bindings'
/** What was read lately; `null`: there is none. Another tab may have logged in since: see `reread`. */
const known = new Map<Audience, Secret | null>()
/** Seconds by which the server's clock is ahead of this device's. */
let ahead = 0

const subtle = (): SubtleCrypto | undefined => (globalThis.crypto as Crypto | undefined)?.subtle

/** Keep the secret of a fresh session, base64url. */
export async function keepBinding(audience: Audience, binding: string): Promise<void> {
  const bytes = Uint8Array.from(atob(binding.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0))
  const secret = (await subtle()?.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])) ?? bytes
  known.set(audience, secret)
  await stored('readwrite', (store) => store.put(secret, audience))
}

/** Whether somebody logged in on this device and did not log out: without that there is no use in asking who it is. */
export async function hasBinding(audience: Audience): Promise<boolean> {
  return known.get(audience) !== undefined ? known.get(audience) !== null : (await kept(audience)) !== undefined
}

/** After a log-out. */
export async function forgetBinding(audience: Audience): Promise<void> {
  known.delete(audience)
  await keep(audience, null)
}

/** What this device was given when this login was last used here. */
export async function deviceToken(audience: Audience, login: string): Promise<string> {
  return (await stored<string>('readonly', (store) => store.get(named(audience, login)) as IDBRequest<string>)) ?? ''
}

export async function keepDeviceToken(audience: Audience, login: string, token: string): Promise<void> {
  await stored('readwrite', (store) => store.put(token, named(audience, login)))
}

const named = (audience: Audience, login: string): string => `${audience} ${login.replace(/[\s-]/g, '').toLowerCase()}`

/** The header's value for a request, or null where this device has no session. `target`: path and query; `body`: as it is sent. */
export async function proofOf(audience: Audience, method: string, target: string, key: string, body = ''): Promise<string | null> {
  if (!known.has(audience)) known.set(audience, (await stored<Secret>('readonly', (store) => store.get(audience) as IDBRequest<Secret>)) ?? null)
  const secret = known.get(audience)
  if (!secret) return null
  const seconds = Math.floor(Date.now() / 1000) + ahead
  const [sent, native] = [new TextEncoder().encode(body), subtle()]
  const digest = native ? new Uint8Array(await native.digest('SHA-256', sent)) : sha256(sent)
  const message = new TextEncoder().encode(`${method}\n${target}\n${seconds}\n${key}\n${hex(digest)}`)
  const code = secret instanceof Uint8Array ? hmac(secret, message) : new Uint8Array(await (native as SubtleCrypto).sign('HMAC', secret, message))
  return `${seconds}.${hex(code)}`
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

/** A proof was found wrong: the clock may be off (`now`: the server's, in seconds), or another tab has logged in. */
export function reread(audience: Audience, now: unknown): void {
  if (typeof now === 'number') ahead = now - Math.floor(Date.now() / 1000)
  if (typeof indexedDB !== 'undefined') known.delete(audience)
}

/** What this device keeps under a name, such as a key that cannot be read out; null takes it away. */
export async function keep(name: string, value: unknown): Promise<void> {
  await stored('readwrite', (store) => (value === null ? (store.delete(name) as unknown as IDBRequest<IDBValidKey>) : store.put(value, name)))
}

export const kept = <T>(name: string): Promise<T | undefined> => stored<T>('readonly', (store) => store.get(name) as IDBRequest<T>)

/** One act on the store; undefined where the browser keeps nothing (private windows of some): then the secret lives as long as the page. */
function stored<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T> | IDBRequest<IDBValidKey>): Promise<T | undefined> {
  return new Promise((done) => {
    if (typeof indexedDB === 'undefined') return done(undefined)
    const opening = indexedDB.open('tongbao', 1)
    opening.onupgradeneeded = (): void => void opening.result.createObjectStore(STORE)
    opening.onerror = opening.onblocked = (): void => done(undefined)
    opening.onsuccess = (): void => {
      const acting = act(opening.result.transaction(STORE, mode).objectStore(STORE))
      acting.onsuccess = (): void => done(acting.result as T)
      acting.onerror = (): void => done(undefined)
    }
  })
}
