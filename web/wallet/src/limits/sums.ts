/** Figures about limits, without a page. */
import type { Limit } from '@shared/api/types.ts'
import { compareAmounts } from '@shared/money.ts'

export const CAPS = ['per_payment', 'daily_amount', 'daily_count', 'transfer_daily_amount', 'transfer_daily_count'] as const
export type Cap = (typeof CAPS)[number]

/** The cap of one's own that this limit holds, if it does: as it was chosen, or as it is before anything was. */
export const choiceOf = (limit: Limit): Cap | undefined => CAPS.find((one) => (limit.whose === 'own' || limit.rule_id.startsWith('house.own.')) && one === limit.cap)

/** One's own, each once: of the rules that hold one cap, the one that leaves the least. */
export function ownBars(limits: readonly Limit[]): Limit[] {
  const left = (limit: Limit): string => limit.left ?? limit.limit
  return CAPS.flatMap((cap) => limits.filter((one) => one.whose === 'own' && one.cap === cap).sort((a, b) => compareAmounts(left(a), left(b))).slice(0, 1))
}

/** How full, 0 to 100, never a rounding away from empty or full. */
export function fullness(used: string, limit: string): number {
  const [now, most] = [Number(used), Number(limit)]
  if (!(now > 0)) return 0
  if (!(most > 0) || now >= most) return 100
  return Math.min(99, Math.max(1, Math.round((now / most) * 100)))
}

/** Whether a cap would be higher than now; without one there is nothing to be higher than. */
export function raises(now: string | null, wanted: string | null): boolean {
  if (now === null) return false
  return wanted === null || compareAmounts(wanted, now) > 0
}
