/**
 * A scanner at the counter is a keyboard that types faster than people: a burst of characters, and Enter. It is heard whichever
 * field has the focus, and what it typed there is taken back.
 */
import { onBeforeUnmount, onMounted } from 'vue'

/** Milliseconds between two keys of one burst; people take longer, scanners 1 to 30. */
const WITHIN = 60
/** Shorter bursts are people who roll their fingers. */
const SHORTEST = 8

export class ScannerKeys {
  #text = ''
  #last = -Infinity

  /** A key was pressed at `at` (milliseconds). `begins`: it may be the first of a burst; `scanned`: it was the end of one. */
  press(key: string, at: number): { begins: boolean; scanned: string | null } {
    const quick = at - this.#last <= WITHIN
    this.#last = at
    if (key === 'Enter') {
      const scanned = quick && this.#text.length >= SHORTEST ? this.#text : null
      this.#text = ''
      return { begins: false, scanned }
    }
    if (key.length !== 1) return { begins: false, scanned: null } // Shift, as scanners press it for capitals
    const begins = !quick || this.#text === ''
    this.#text = begins ? key : this.#text + key
    return { begins, scanned: null }
  }
}

/** For the life of the calling component. `began`: remember what the fields hold; `scanned`: put it back, and take the text. */
export function useScanner(began: () => void, scanned: (text: string) => void): void {
  const keys = new ScannerKeys()
  function hear(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return
    const told = keys.press(event.key, event.timeStamp)
    if (told.begins) began()
    if (told.scanned === null) return
    event.preventDefault()
    event.stopPropagation()
    scanned(told.scanned)
  }
  onMounted(() => window.addEventListener('keydown', hear, { capture: true }))
  onBeforeUnmount(() => window.removeEventListener('keydown', hear, { capture: true }))
}
