/** Who may do what. The server decides; the pages only do not offer what it would refuse. */
import { computed } from 'vue'
import { operator } from './session.ts'

/** Whether the operator at the desk has a permission, by its name in the server's table. */
export const may = (permission: string): boolean => operator.value?.permissions.includes(permission) ?? false

/** Where an operator begins: the payments, or what waits for them if those are not theirs to see. */
export const home = (): string => (may('payments.read') ? '/payments' : '/approvals')

export const isBookkeeper = computed(() => may('books.act'))
