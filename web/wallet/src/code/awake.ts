/** The screen stays on while a code is shown, where the device lets a page ask for that. */
import { onBeforeUnmount, onMounted } from 'vue'

export function useAwake(): void {
  let lock: WakeLockSentinel | undefined
  let gone = false
  async function ask(): Promise<void> {
    if (document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return
    try {
      lock = await navigator.wakeLock.request('screen')
      if (gone) void lock.release()
    } catch {
      // A low battery may say no: then the screen goes dark as it always does.
    }
  }
  const again = (): void => void ask() // the lock ends whenever the page is hidden
  onMounted(() => {
    void ask()
    document.addEventListener('visibilitychange', again)
  })
  onBeforeUnmount(() => {
    gone = true
    document.removeEventListener('visibilitychange', again)
    void lock?.release()
  })
}
