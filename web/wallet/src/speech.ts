/** Amounts spoken aloud, for elder mode. Silent where the device cannot speak. */
import { elder, language } from '@shared'

export const canSpeak = (): boolean => 'speechSynthesis' in window

export function speak(text: string): void {
  if (!canSpeak()) return
  const words = new SpeechSynthesisUtterance(text)
  words.lang = language.value === 'zh' ? 'zh-CN' : 'en-GB'
  words.rate = 0.9
  window.speechSynthesis.cancel()
  window.speechSynthesis.speak(words)
}

export function speakForElders(text: string): void {
  if (elder.value) speak(text)
}
