/** How far somebody got with recovering, so that a reloaded page goes on where it was, with the code in hand. In this tab only, as long
 * as the code is good; what is typed as a secret (the code, the PIN, the password) is never kept. */
const KEPT = 'tongbao.wallet.recovering'
/** As the server has it. */
const GOOD_FOR_MS = 5 * 60_000

export interface Recovering {
  login: string
  /** What shows that we asked for the code; of no use without it. */
  ticket: string
  dropAll: boolean
  sentAt: number
}

export function keepRecovering(what: Recovering): void {
  sessionStorage.setItem(KEPT, JSON.stringify(what))
}
export function forgetRecovering(): void {
  sessionStorage.removeItem(KEPT)
}
export function keptRecovering(now: number): Recovering | undefined {
  const text = sessionStorage.getItem(KEPT)
  if (!text) return undefined
  const found = JSON.parse(text) as Recovering
  if (now - found.sentAt < GOOD_FOR_MS) return found
  forgetRecovering()
  return undefined
}
