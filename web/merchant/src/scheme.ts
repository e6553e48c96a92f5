/**
 * Whose payer's code a cashier has scanned, by its digits: those of other schemes are named, not mistaken for ours.
 * Source: the schemes' own documents for merchants: WeChat Pay (18 digits from 10 to 15), Alipay (16 to 24 digits from 25 to 30),
 * UnionPay (19 digits from 62).
 */
export type Scheme = 'ours' | 'wechat' | 'alipay' | 'unionpay' | 'unknown'

const FORMS: readonly (readonly [Scheme, RegExp])[] = [
  ['ours', /^87\d{18}$/],
  ['wechat', /^1[0-5]\d{16}$/],
  ['alipay', /^(2[5-9]|30)\d{14,22}$/],
  ['unionpay', /^62\d{17}$/],
]

/** What was scanned or typed, without the spaces of its groups. */
export const cleanShown = (text: string): string => (/^[\d\s-]+$/.test(text) ? text.replace(/[\s-]/g, '') : text.trim())
export const schemeOf = (shown: string): Scheme => FORMS.find(([, form]) => form.test(shown))?.[0] ?? 'unknown'
