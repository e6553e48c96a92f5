/**
 * This device's signing key, whose certificate makes a payment strong. The private half is made here, cannot be read out, and is
 * kept where only this page's origin finds it; another device has another key.
 */
import { kept, keep } from '@shared/api/device.ts'
import { me } from '../session.ts'
import { encoded } from './webauthn.ts'

export interface SigningKey {
  certificateId: string
  privateKey: CryptoKey
}
const place = (): string => `certificate ${me.value?.customer_id ?? ''}`

/** Whether this browser can make such a key; Ed25519 is young. */
export async function canSign(): Promise<boolean> {
  try {
    return Boolean(await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']))
  } catch {
    return false
  }
}
export async function newSigningKey(): Promise<{ privateKey: CryptoKey; publicKey: string }> {
  const pair = (await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify'])) as CryptoKeyPair
  return { privateKey: pair.privateKey, publicKey: encoded(await crypto.subtle.exportKey('raw', pair.publicKey)) }
}
export const sign = async (key: CryptoKey, text: string): Promise<string> => encoded(await crypto.subtle.sign('Ed25519', key, new TextEncoder().encode(text)))

export const keepSigningKey = (key: SigningKey): Promise<void> => keep(place(), key)
export const signingKey = async (): Promise<SigningKey | undefined> => (await kept<SigningKey>(place())) ?? undefined
export const forgetSigningKey = (): Promise<void> => keep(place(), null)
