/** Filters that live in the URL: they survive a reload, can be sent to a colleague, and the back button undoes them. */
import { computed, type WritableComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'

/** The query parameter `name` as a writable value; writing an empty string removes it. Writing replaces the history entry. */
export function useQueryParam(name: string): WritableComputedRef<string> {
  const route = useRoute()
  const router = useRouter()
  return computed({
    get: () => {
      const value = route.query[name]
      return (Array.isArray(value) ? value[0] : value) ?? ''
    },
    set: (value: string) => {
      if (value === ((route.query[name] as string | undefined) ?? '')) return
      const query = { ...router.currentRoute.value.query }
      if (value) query[name] = value
      else Reflect.deleteProperty(query, name)
      void router.replace({ query, hash: route.hash })
    },
  })
}
