/** A list that is asked for page by page. `items` is undefined until the first page is here. */
import { ApiError, type Page } from '@shared'
import { computed, onBeforeUnmount, ref, shallowRef, type ComputedRef, type Ref, type ShallowRef } from 'vue'

export interface More<T> {
  items: ShallowRef<T[] | undefined>
  error: ShallowRef<ApiError | undefined>
  loading: Ref<boolean>
  more: ComputedRef<boolean>
  next: () => Promise<void>
  reload: () => Promise<void>
}

export function useMore<T>(ask: (cursor: string | null, signal: AbortSignal) => Promise<Page<T>>): More<T> {
  const items = shallowRef<T[]>()
  const error = shallowRef<ApiError>()
  const loading = ref(false)
  const cursor = ref<string | null>(null)
  const leaving = new AbortController()
  onBeforeUnmount(() => leaving.abort())

  async function take(from: string | null): Promise<void> {
    if (loading.value) return
    loading.value = true
    try {
      const page = await ask(from, leaving.signal)
      items.value = from === null ? page.items : [...(items.value ?? []), ...page.items]
      cursor.value = page.next_cursor
      error.value = undefined
    } catch (thrown) {
      if (!leaving.signal.aborted) error.value = ApiError.from(thrown)
    } finally {
      loading.value = false
    }
  }
  void take(null)
  return { items, error, loading, more: computed(() => cursor.value !== null), next: () => take(cursor.value), reload: () => take(null) }
}
