/** An order that is held first and charged later: how far a charge may go beyond its amount, and until when it can be charged. */
import { reactive, watch } from 'vue'

/** Percent beyond the amount; 15 is the most there may be. Source: UnionPay's rules on completing a pre-authorisation. */
export const BEYOND = ['0', '5', '10', '15'] as const
/** Days; 30 is the most there may be. */
export const DAYS = ['1', '3', '7', '15', '30'] as const

interface Terms {
  beyond: (typeof BEYOND)[number]
  days: (typeof DAYS)[number]
}
const KEPT = 'tongbao.merchant.holding'

/** A till mostly holds for the same thing, so what was chosen last is offered next. */
export const terms = reactive<Terms>(kept())
watch(terms, () => localStorage.setItem(KEPT, `${terms.beyond}/${terms.days}`))

function kept(): Terms {
  const [beyond, days] = (localStorage.getItem(KEPT) ?? '').split('/')
  return { beyond: BEYOND.find((one) => one === beyond) ?? '0', days: DAYS.find((one) => one === days) ?? '7' }
}

/** What an order says that is charged later. */
export const heldFor = (most: string): { capture: 'later'; most: string; capture_within_s: number } => ({
  capture: 'later',
  most,
  capture_within_s: Number(terms.days) * 86_400,
})
