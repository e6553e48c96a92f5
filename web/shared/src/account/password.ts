/** The form of another password, for who knows the one there is; the code of the authenticator app or the PIN too, once the server asks. */
import { reactive, ref, type Ref } from 'vue'
import { useAct, type Act } from '../act.ts'
import { ts } from '../i18n/shared.ts'
import type { OwnAccount } from './api.ts'

type Field = 'old' | 'fresh' | 'code' | 'pin'

export interface ChangePassword {
  form: Record<Field, string>
  wrong: Partial<Record<Field, string | undefined>>
  codeToo: Ref<boolean>
  /** On a device that is new. */
  pinToo: Ref<boolean>
  changing: Act
  /** True when it is changed, and the form empty again. */
  change: () => Promise<boolean>
}

/** `short` says that a password is too short; `pin`, where people have one, that it is needed on this device, or is no PIN. */
export function useChangePassword(account: () => OwnAccount, short: () => string, pin?: (form: boolean) => string | undefined): ChangePassword {
  const changing = useAct()
  const form = reactive({ old: '', fresh: '', code: '', pin: '' })
  const wrong = reactive<ChangePassword['wrong']>({})
  const codeToo = ref(false)
  const pinToo = ref(false)

  async function change(): Promise<boolean> {
    wrong.old = form.old ? undefined : ts('required')
    wrong.fresh = [...form.fresh].length >= 8 ? undefined : short()
    wrong.code = codeToo.value && !form.code.trim() ? ts('required') : undefined
    wrong.pin = pinToo.value && !/^\d{6}$/.test(form.pin) ? pin?.(true) : undefined
    if (wrong.old || wrong.fresh || wrong.code || wrong.pin) return false
    const body = { password: form.old, new_password: form.fresh, ...(codeToo.value ? { totp: form.code } : {}), ...(pinToo.value ? { pin: form.pin } : {}) }
    const done = await changing.run((key) => account().changePassword(key, body), (error) => {
      if (error.code === 'wrong_credentials') wrong.old = error.text
      else if (error.code.startsWith('password_')) wrong.fresh = error.text
      else if (error.code === 'second_factor_needed' || error.code.startsWith('totp_')) {
        codeToo.value = true
        wrong.code = error.text
      } else if (error.code === 'wrong_pin') wrong.pin = error.text
      else if (error.code === 'device_unproven' && !pinToo.value && pin?.(false)) {
        pinToo.value = true
        wrong.pin = pin(false)
      }
      return Boolean(wrong.old || wrong.fresh || wrong.code || wrong.pin)
    })
    if (done) Object.assign(form, { old: '', fresh: '', code: '', pin: '' })
    return done
  }
  return { form, wrong, codeToo, pinToo, changing, change }
}
