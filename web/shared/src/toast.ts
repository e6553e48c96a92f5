/** Short words that pass: shown for some seconds and read out by a screen reader. Never the only place of a result. */
import { reactive } from 'vue'

export interface Toast {
  id: number
  text: string
  tone: 'plain' | 'good' | 'bad'
}

export const toasts = reactive<Toast[]>([])
let last = 0

export function toast(text: string, tone: Toast['tone'] = 'plain', milliseconds = 4000): void {
  last += 1
  const id = last
  // One at a time: a second one would cover the page's own words.
  toasts.splice(0, toasts.length, { id, text, tone })
  setTimeout(() => {
    const at = toasts.findIndex((one) => one.id === id)
    if (at >= 0) toasts.splice(at, 1)
  }, milliseconds)
}

/** Words for the screen reader alone (a payment's result, a changed list); TbToastHost holds the live region. */
export const announcement = reactive({ text: '' })

export function announce(text: string): void {
  announcement.text = ''
  setTimeout(() => (announcement.text = text), 50)
}
