/** One's own account, the same calls for customers, merchants' staff and operators. */
import type { ApiClient } from '../api/client.ts'
import type { Alert, Device, LoginRow, Page, TotpSecret, TotpState } from '../api/types.ts'

export interface OwnAccount {
  totp(signal?: AbortSignal): Promise<TotpState>
  startTotp(key: string, password: string): Promise<TotpSecret>
  confirmTotp(key: string, code: string): Promise<{ recovery_codes: string[] }>
  removeTotp(key: string, body: { password: string; code: string }): Promise<void>
  renewCodes(key: string, body: { password: string; code: string }): Promise<{ recovery_codes: string[] }>
  changePassword(key: string, body: { password: string; new_password: string; totp?: string; pin?: string }): Promise<void>
  devices(cursor: string | null): Promise<Page<Device>>
  revokeDevice(id: string): Promise<void>
  logins(cursor: string | null): Promise<Page<LoginRow>>
  endSession(id: string): Promise<void>
  alerts(cursor: string | null): Promise<Page<Alert>>
}

export function ownAccount(client: ApiClient): OwnAccount {
  const list = <T>(path: string, cursor: string | null): Promise<Page<T>> => client.get<Page<T>>(path, { query: { cursor, limit: 10 } })
  const at = encodeURIComponent
  return {
    totp: (signal) => client.get('/totp', signal ? { signal } : {}),
    startTotp: (key, password) => client.post('/totp/start', { key, body: { password }, money: false }),
    confirmTotp: (key, code) => client.post('/totp/confirm', { key, body: { code }, money: false }),
    removeTotp: (key, body) => client.post('/totp/remove', { key, body, money: false }),
    renewCodes: (key, body) => client.post('/totp/recovery-codes', { key, body, money: false }),
    changePassword: (key, body) => client.post('/password', { key, body, money: false }),
    devices: (cursor) => list('/devices', cursor),
    revokeDevice: (id) => client.delete(`/devices/${at(id)}`),
    logins: (cursor) => list('/logins', cursor),
    endSession: (id) => client.delete(`/sessions/${at(id)}`),
    alerts: (cursor) => list('/alerts', cursor),
  }
}

/** The second step of a log-in: the answer is what the first would have been. `login` says whose device this is. */
export function logInFurther<T>(client: ApiClient, login: string, body: { challenge: string; code: string; device_name?: string }): Promise<T> {
  return client.post<T>('/login/totp', { login, body })
}
