/** The language of this device: remembered, else the browser's; all its tabs change together. Chinese or English; everything is
 * written in both. */
import { ref, watch } from 'vue'

export type Language = 'zh' | 'en'

const KEY = 'tongbao.language'

function first(): Language {
  const kept = localStorage.getItem(KEY)
  if (kept === 'zh' || kept === 'en') return kept
  return navigator.languages.some((tag) => tag.toLowerCase().startsWith('zh')) ? 'zh' : 'en'
}

export const language = ref<Language>(typeof localStorage === 'undefined' ? 'en' : first())

export function setLanguage(next: Language): void {
  language.value = next
  localStorage.setItem(KEY, next)
}

if (typeof document !== 'undefined') {
  window.addEventListener('storage', (event: StorageEvent) => {
    if (event.key === KEY && (event.newValue === 'zh' || event.newValue === 'en')) language.value = event.newValue
  })
  watch(language, (now) => (document.documentElement.lang = now === 'zh' ? 'zh-CN' : 'en'), { immediate: true })
}
