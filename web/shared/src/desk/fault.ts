/** What the pages themselves cannot show: the server out of reach at the start, a part of the program that did not load, a bug. */
import { onErrorCaptured, shallowRef, type ShallowRef } from 'vue'
import { useRouter } from 'vue-router'
import { ApiError } from '../api/error.ts'

/** Call once in an app's root. The fault stays until the page is loaded anew. */
export function useFault(): ShallowRef<ApiError | undefined> {
  const fault = shallowRef<ApiError>()
  useRouter().onError((thrown) => (fault.value = ApiError.from(thrown)))
  onErrorCaptured((thrown) => {
    if (import.meta.env.DEV) console.error(thrown)
    fault.value = ApiError.from(thrown)
    return false
  })
  return fault
}
