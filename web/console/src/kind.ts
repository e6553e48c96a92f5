/** A journal's kind in words: "withdrawal.start" and the like; one we have no words for stays as it is. */
import { t, words, type Word } from './words.ts'

export function kindName(kind: string): string {
  const key = `kind.${kind}`
  return key in words.zh ? t(key as Word) : kind
}

/** Who did something to a payment: "merchant", "customer", "clock"; an id or another word stays as it is. */
export function byName(by: string): string {
  const key = `by.${by}`
  return key in words.zh ? t(key as Word) : by
}
