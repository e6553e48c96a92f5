/** Dictionaries whose keys the compiler checks: English must have exactly the keys Chinese has, and t() takes no others. */
import { language, type Language } from './language.ts'

export type Params = Record<string, string | number>

export interface Messages<K extends string> {
  readonly zh: Readonly<Record<K, string>>
  readonly en: Readonly<Record<K, string>>
}

export type Translate<K extends string> = (key: K, params?: Params) => string

export function defineMessages<const Z extends Record<string, string>>(
  zh: Z,
  en: { readonly [K in keyof NoInfer<Z>]: string },
): Messages<keyof Z & string> {
  return { zh, en } as Messages<keyof Z & string>
}

/** A t() over `messages`, in the device's language; reading it in a template or computed follows a change of language. */
export function translator<K extends string>(messages: Messages<K>): Translate<K> {
  return (key, params) => fill(messages[language.value][key], params)
}

/** One of the two texts a server sends, in the device's language. */
export function pick(texts: Record<Language, string>): string {
  return texts[language.value]
}

function fill(template: string, params: Params | undefined): string {
  return params ? template.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole)) : template
}
