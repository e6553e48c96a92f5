/** Says received amounts aloud with the device's own voice, when the merchant wants it. */
import { ref } from 'vue'
import { language } from '@shared/i18n/language.ts'
import { t } from './words.ts'

const KEY = 'tongbao.merchant.sound'

export const soundOn = ref(localStorage.getItem(KEY) !== 'off')
export const canSpeak = 'speechSynthesis' in window

export function setSound(on: boolean): void {
  soundOn.value = on
  localStorage.setItem(KEY, on ? 'on' : 'off')
  if (!on && canSpeak) window.speechSynthesis.cancel()
}

/** Say that `amount` has come in. The amount is said without needless zeros: 12.50 → "12.5", 12.00 → "12". */
export function sayReceived(amount: string, even = soundOn.value): void {
  if (!canSpeak || !even) return
  const plain = amount.includes('.') ? amount.replace(/\.?0+$/, '') : amount
  const said = new SpeechSynthesisUtterance(t('order.spoken', { amount: plain }))
  said.lang = language.value === 'zh' ? 'zh-CN' : 'en-GB'
  const voice = window.speechSynthesis.getVoices().find((one) => one.lang.slice(0, 2) === language.value)
  if (voice) said.voice = voice
  window.speechSynthesis.cancel()
  window.speechSynthesis.speak(said)
}
