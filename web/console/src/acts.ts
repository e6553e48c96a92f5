/** Acts of operators in words, and where what they are about is to be seen. */
import type { RouteLocationRaw } from 'vue-router'
import { t, words, type Word } from './words.ts'

/** Every act that has words, in the order of the words. */
export const ACTS: readonly string[] = Object.keys(words.zh).filter((key) => key.startsWith('did.')).map((key) => key.slice(4))

const named = (prefix: string, name: string): string => (`${prefix}.${name}` in words.zh ? t(`${prefix}.${name}` as Word) : name)
export const actName = (act: string): string => named('did', act)
export const subjectName = (kind: string): string => named('subject', kind)

const PAGES: Record<string, string> = {
  customer: 'customers', merchant: 'merchants', account: 'accounts', payment: 'payments', journal: 'journals', proposal: 'approvals', breach: 'privacy/breaches',
}

/** The page of what an act is about, if it has one. */
export function subjectPath(kind: string, id: string): RouteLocationRaw | undefined {
  if (kind === 'operator') return { path: '/acts', query: { by: id } }
  return kind in PAGES ? `/${PAGES[kind]}/${encodeURIComponent(id)}` : undefined
}
