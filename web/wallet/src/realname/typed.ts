/** What was typed into the document's form last, so that a slip is mended instead of all being typed again. In memory only: it is gone
 * with the page, with another customer, and after a quarter of an hour. */
import type { DocumentKind } from '@shared'
import { shallowRef, watch } from 'vue'
import { me } from '../session.ts'
import type { Sex } from './documents.ts'

const MINUTES = 15

export interface Typed {
  kind: DocumentKind
  number: string
  name: string
  mrz: string
  birth: string
  sex: Sex
  nationality: string
  issued: string
  expires: string
  long: boolean
  phone: string
  card: string
}
export const typed = shallowRef<Typed>()
let timer = 0

export function rememberTyped(what: Typed): void {
  typed.value = what
  clearTimeout(timer)
  timer = window.setTimeout(forgetTyped, MINUTES * 60_000)
}
export function forgetTyped(): void {
  clearTimeout(timer)
  typed.value = undefined
}
watch(me, (now, before) => {
  if (now?.customer_id !== before?.customer_id) forgetTyped()
})
