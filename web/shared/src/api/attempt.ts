/**
 * One attempt a person makes, and its Idempotency-Key. The key is made when the attempt starts and lives through network
 * failures and refusals that decided nothing (too many requests, unavailable), so that asking again learns the outcome
 * of the first. After an answer of the server that decided no (a wrong PIN, too little money), the next try is a new attempt.
 */
import { ApiError } from './error.ts'

export function newKey(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID()
  // randomUUID wants a secure context; a till on plain http in a shop's own network has only this.
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export class Attempt {
  #key = newKey()

  get key(): string {
    return this.#key
  }

  /** Run `act` with this attempt's key; a decided "no" ends the attempt, an unknown outcome keeps it. */
  async run<T>(act: (key: string) => Promise<T>): Promise<T> {
    try {
      return await act(this.#key)
    } catch (thrown) {
      const undecided = thrown instanceof ApiError && (thrown.unknownOutcome || thrown.retryable)
      if (!undecided) this.renew()
      throw thrown
    }
  }

  renew(): void {
    this.#key = newKey()
  }
}
