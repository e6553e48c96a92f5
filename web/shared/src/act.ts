/** Something a page does when asked: busy while it runs, one attempt's key, and its failure to show. */
import { Attempt } from './api/attempt.ts'
import { ApiError } from './api/error.ts'
import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'

export interface Act {
  busy: Ref<boolean>
  failure: ShallowRef<ApiError | undefined>
  /** Runs `work` unless it runs already; `refused` may show an error beside its field (and answers true). True when done. */
  run: (work: (key: string) => Promise<unknown>, refused?: (error: ApiError) => boolean) => Promise<boolean>
}

export function useAct(): Act {
  const attempt = new Attempt()
  const busy = ref(false)
  const failure = shallowRef<ApiError>()

  async function run(work: (key: string) => Promise<unknown>, refused?: (error: ApiError) => boolean): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    failure.value = undefined
    try {
      await attempt.run(work)
      attempt.renew()
      return true
    } catch (thrown) {
      const error = ApiError.from(thrown)
      if (!refused?.(error)) failure.value = error
      return false
    } finally {
      busy.value = false
    }
  }
  return { busy, failure, run }
}
