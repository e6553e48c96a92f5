/** By what this person can confirm, beside the PIN: learnt once a log-in, and again when they add or remove something. */
import { shallowRef, watch } from 'vue'
import { me } from '../session.ts'
import { account, getPasskeys } from './api.ts'
import { signingKey, type SigningKey } from './signingKey.ts'
import { canUsePasskeys } from './webauthn.ts'

export const hasPasskey = shallowRef(false)
/** Whether there is an authenticator app. */
export const hasApp = shallowRef(false)
export const ownKey = shallowRef<SigningKey>()
let learnt = false
watch(me, (now, before) => {
  if (now?.customer_id !== before?.customer_id) learnt = false
})

/** Ask what there is; without an answer the PIN remains. */
export async function learnWays(again = false): Promise<void> {
  if (learnt && !again) return
  learnt = true
  try {
    ownKey.value = await signingKey()
    hasPasskey.value = canUsePasskeys() && (await getPasskeys(null)).items.length > 0
    hasApp.value = Boolean((await account.totp()).since)
  } catch {
    hasPasskey.value = hasApp.value = false
    learnt = false
  }
}
