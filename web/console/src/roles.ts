/** Who may act on the books. The server decides; the pages only do not offer what it would refuse. */
import { computed } from 'vue'
import { operator } from './session.ts'

const has = (...roles: string[]): boolean => operator.value?.roles.some((role) => roles.includes(role)) ?? false

export const isBookkeeper = computed(() => has('finance', 'admin'))
export const isAdmin = computed(() => has('admin'))
