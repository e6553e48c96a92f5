/** Figures about limits, without a page. */
import { compareAmounts } from '@shared/money.ts'

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
