/** Loading something a page shows: its four states in one object. */
import { onBeforeUnmount, ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { ApiError } from './api/error.ts'

export interface Load<T> {
  data: ShallowRef<T | undefined>
  error: ShallowRef<ApiError | undefined>
  loading: Ref<boolean>
  /** Ask again; what is shown stays until the answer is here. The answer of an older call is dropped. */
  reload: () => Promise<void>
}

/** Runs `ask` at once (unless `lazy`) and again at reload(); aborts when the page is left. */
export function useLoad<T>(ask: (signal: AbortSignal) => Promise<T>, options: { lazy?: boolean } = {}): Load<T> {
  const data = shallowRef<T>()
  const error = shallowRef<ApiError>()
  const loading = ref(false)
  let running: AbortController | undefined

  async function reload(): Promise<void> {
    running?.abort()
    const mine = new AbortController()
    running = mine
    loading.value = true
    try {
      const answer = await ask(mine.signal)
      if (mine.signal.aborted) return
      data.value = answer
      error.value = undefined
    } catch (thrown) {
      if (mine.signal.aborted) return
      error.value = ApiError.from(thrown)
    } finally {
      if (running === mine) loading.value = false
    }
  }
  onBeforeUnmount(() => running?.abort())
  if (!options.lazy) void reload()
  return { data, error, loading, reload }
}
