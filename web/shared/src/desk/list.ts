/** One list from the server, page after page by cursor, with the three states a screen shows: waiting, failed, there. */
import { computed, ref, shallowRef, type Ref } from 'vue'
import { ApiError } from '../api/error.ts'
import type { Page } from '../api/types.ts'

export interface CursorList<T> {
  items: Ref<T[]>
  error: Ref<ApiError | null>
  /** The first page is on its way and nothing is there yet. */
  waiting: Readonly<Ref<boolean>>
  busy: Ref<boolean>
  hasMore: Readonly<Ref<boolean>>
  /** Begin again from the first page. With `quiet` the rows stay until the new ones are there. */
  reload(quiet?: boolean): Promise<void>
  more(): Promise<void>
}

/** A list read by `fetchPage`; an answer that a newer reload has overtaken is dropped. */
export function useCursorList<T>(fetchPage: (cursor: string | null) => Promise<Page<T>>): CursorList<T> {
  const items = shallowRef<T[]>([])
  const error = ref<ApiError | null>(null)
  const busy = ref(false)
  const cursor = ref<string | null>(null)
  const arrived = ref(false)
  let round = 0

  async function read(from: string | null, keep: boolean): Promise<void> {
    const mine = ++round
    busy.value = true
    try {
      const page = await fetchPage(from)
      if (mine !== round) return
      items.value = keep ? [...items.value, ...page.items] : page.items
      cursor.value = page.next_cursor
      error.value = null
      arrived.value = true
    } catch (thrown) {
      if (mine === round) error.value = ApiError.from(thrown)
    } finally {
      if (mine === round) busy.value = false
    }
  }

  return {
    items,
    error: error as Ref<ApiError | null>,
    waiting: computed(() => !arrived.value && !error.value),
    busy,
    hasMore: computed(() => cursor.value !== null),
    async reload(quiet = false) {
      if (!quiet) {
        arrived.value = false
        items.value = []
        cursor.value = null
      }
      await read(null, false)
    },
    async more() {
      if (cursor.value !== null && !busy.value) await read(cursor.value, true)
    },
  }
}
