/** What a person chose about this device's look: theme and elder mode. Written on <html> as data attributes. */
import { ref, watch } from 'vue'

export type Theme = 'system' | 'light' | 'dark'

const THEME = 'tongbao.theme'
const ELDER = 'tongbao.elder'
const kept = (key: string): string | null => (typeof localStorage === 'undefined' ? null : localStorage.getItem(key))

const keptTheme = kept(THEME)
export const theme = ref<Theme>(keptTheme === 'light' || keptTheme === 'dark' ? keptTheme : 'system')
export const elder = ref<boolean>(kept(ELDER) === 'on')

if (typeof document !== 'undefined') {
  const root = document.documentElement
  watch(theme, (now) => {
    if (now === 'system') delete root.dataset['theme']
    else root.dataset['theme'] = now
    localStorage.setItem(THEME, now)
  }, { immediate: true })
  watch(elder, (on) => {
    if (on) root.dataset['elder'] = ''
    else delete root.dataset['elder']
    localStorage.setItem(ELDER, on ? 'on' : 'off')
  }, { immediate: true })
}
