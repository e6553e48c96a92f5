/** Operators by name, where the answers say only who by id. Asked once; without the permission ids stay ids. */
import { shallowRef, watch } from 'vue'
import { api } from './api.ts'
import { may } from './roles.ts'
import { operator } from './session.ts'

export const operatorNames = shallowRef<ReadonlyMap<string, string>>(new Map())
let asked = false

watch(operator, () => {
  asked = false
  operatorNames.value = new Map()
})

/** Learn the names, unless that was done already. */
export async function learnNames(): Promise<void> {
  const who = operator.value
  if (asked || !who) return
  asked = true
  const names = new Map([[who.operator_id, who.name]])
  try {
    for (let cursor: string | null = may('operators.read') ? '' : null; cursor !== null; ) {
      const page = await api.operators(cursor || null)
      for (const one of page.items) names.set(one.operator_id, one.name)
      cursor = page.next_cursor
    }
  } catch {
    asked = false // The next page that needs them asks again.
  }
  operatorNames.value = names
}
