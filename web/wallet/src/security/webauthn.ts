/** The browser's own dialogue for passkeys: what the server's options become, and what the browser's answers become. */
import type { PasskeyProof } from '@shared'

/** Passkeys are made for a name: not for a number such as 127.0.0.1, nor over plain http from elsewhere. */
export const canUsePasskeys = (): boolean =>
  typeof window !== 'undefined' && window.isSecureContext && 'PublicKeyCredential' in window && !/^[\d.]+$|:/.test(window.location.hostname)

/** The person closed the browser's dialogue, or it found nothing: not a fault. */
export const isDeclined = (thrown: unknown): boolean => thrown instanceof DOMException && (thrown.name === 'NotAllowedError' || thrown.name === 'AbortError')

export function encoded(bytes: ArrayBuffer | Uint8Array): string {
  const letters = Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join('')
  return btoa(letters).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
}

export function decoded(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0))
}

export interface CreateOptions {
  challenge: string
  rp_id: string
  rp_name: string
  user_id: string
  user_name: string
  algorithms: number[]
  exclude_credentials: string[]
  timeout_ms: number
}
export interface Made {
  credential_id: string
  client_data: string
  attestation_object: string
}

/** Make a passkey: found without a name, and verifying its user. */
export async function makePasskey(options: CreateOptions): Promise<Made> {
  const made = (await navigator.credentials.create({
    publicKey: {
      challenge: decoded(options.challenge),
      rp: { id: options.rp_id, name: options.rp_name },
      user: { id: decoded(options.user_id), name: options.user_name, displayName: options.user_name },
      pubKeyCredParams: options.algorithms.map((alg) => ({ type: 'public-key', alg })),
      excludeCredentials: options.exclude_credentials.map((id) => ({ type: 'public-key', id: decoded(id) })),
      authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
      attestation: 'none',
      timeout: options.timeout_ms,
    },
  })) as PublicKeyCredential
  const answer = made.response as AuthenticatorAttestationResponse
  return { credential_id: encoded(made.rawId), client_data: encoded(answer.clientDataJSON), attestation_object: encoded(answer.attestationObject) }
}

/** Have a passkey answer a challenge. */
export async function usePasskey(options: { challenge: string; rp_id: string; timeout_ms: number }): Promise<PasskeyProof> {
  const found = (await navigator.credentials.get({
    publicKey: { challenge: decoded(options.challenge), rpId: options.rp_id, timeout: options.timeout_ms, userVerification: 'required' },
  })) as PublicKeyCredential
  const answer = found.response as AuthenticatorAssertionResponse
  return {
    kind: 'passkey', credential_id: encoded(found.rawId), client_data: encoded(answer.clientDataJSON),
    authenticator_data: encoded(answer.authenticatorData), signature: encoded(answer.signature),
  }
}
