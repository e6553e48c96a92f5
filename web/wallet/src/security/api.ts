/** What keeps the account safe: passkeys, devices, certificates, what was noticed. */
import type { ActAsked, ActChallenge, Alert, Certificate, CertificateOptions, Device, Language, Page, Passkey, PasskeyProof, Session } from '@shared'
import { ownAccount } from '@shared'
import { at, client } from '../api.ts'
import type { CreateOptions, Made } from './webauthn.ts'

/** What every audience has: the authenticator app, the password. */
export const account = ownAccount(client)

type Asked = { challenge: string; rp_id: string; timeout_ms: number }

export const getActChallenge = (body: ActAsked): Promise<ActChallenge> => client.post('/acts/challenge', { body })

export const getPasskeys = (cursor: string | null, signal?: AbortSignal): Promise<Page<Passkey>> => client.get('/passkeys', { signal, query: { cursor, limit: 20 } })
export const getPasskeyOptions = (): Promise<CreateOptions> => client.post('/passkeys/options')
export const addPasskey = (key: string, body: Made & { name: string; password: string; pin?: string }): Promise<{ passkey_id: string }> =>
  client.post('/passkeys', { key, body, money: false })
export const removePasskey = (id: string): Promise<void> => client.delete(`/passkeys/${at(id)}`)
export const getLoginChallenge = (): Promise<Asked> => client.post('/login/passkey/options')
export const logInByPasskey = (body: { passkey: PasskeyProof; device_name: string }): Promise<Session> => client.post('/login/passkey', { body })

export const getDevices = (cursor: string | null, signal?: AbortSignal): Promise<Page<Device>> => client.get('/devices', { signal, query: { cursor, limit: 20 } })
export const nameDevice = (key: string, id: string, name: string): Promise<void> => client.post(`/devices/${at(id)}/name`, { key, body: { name }, money: false })
export const revokeDevice = (id: string): Promise<void> => client.delete(`/devices/${at(id)}`)

export const getAlerts = (cursor: string | null, signal?: AbortSignal, limit = 20): Promise<Page<Alert>> => client.get('/alerts', { signal, query: { cursor, limit } })

export const getCertificates = (cursor: string | null, signal?: AbortSignal): Promise<Page<Certificate>> =>
  client.get('/certificates', { signal, query: { cursor, limit: 20 } })
export const getCertificateOptions = (body: { algorithm: 'ed25519'; public_key: string }): Promise<CertificateOptions> => client.post('/certificates/options', { body })
export const enrolCertificate = (
  key: string, body: { algorithm: 'ed25519'; public_key: string; name: string; signature: string; pin: string; passkey: PasskeyProof },
): Promise<Certificate> => client.post('/certificates', { key, body, money: false })
export const revokeCertificate = (id: string): Promise<void> => client.delete(`/certificates/${at(id)}`)

export const reportTakeover = (key: string): Promise<void> => client.post('/report-takeover', { key, money: false })
export const sendRecoveryCode = (key: string, body: { login: string; locale: Language }): Promise<{ ticket: string }> => client.post('/recovery/code', { key, body, money: false })
export const sendReportCode = (key: string, body: { login: string; locale: Language }): Promise<{ ticket: string }> =>
  client.post('/report-takeover/code', { key, body, money: false })
export const reportByCode = (key: string, body: { login: string; ticket: string; code: string }): Promise<void> =>
  client.post('/report-takeover/by-code', { key, body, money: false })
export interface Recovered {
  dropped: { kind: 'passkey' | 'certificate'; name: string; created_at: string }[]
  kept: { kind: 'passkey' | 'certificate'; name: string; created_at: string }[]
}
export const recover = (
  key: string, body: { login: string; ticket: string; code: string; new_password: string; drop_all: boolean; pin?: string },
): Promise<Recovered> => client.post('/recovery', { key, body, money: false })
