import { describe, expect, it } from 'vitest'
import plans from '../../../tests/payments/funding_plans.json' with { type: 'json' }
import { chosenByDefault, planned, toggled, together, type Source } from '../src/funding/plan.ts'

const source = ([kind, of, available]: (string | null)[]): Source => ({ source: kind as Source['source'], of: of ?? '', available: available ?? null })

describe('what a payment is drawn on where its payer says nothing', () => {
  it.each(plans.map((plan) => [plan.says, plan] as const))('%s', (_, plan) => {
    const { parts, missing } = planned(chosenByDefault(plan.offers.map(source), plan.amount, 'CNY'), plan.amount, 'CNY')
    expect(missing ? [] : parts.map((part) => [part.source, part.of, part.amount])).toEqual(plan.parts)
    if (!missing) expect(together(parts, 'CNY')).toBe(plan.amount)
  })
})

describe('what the payer changes', () => {
  const [balance, one, other] = [source(['balance', '', '4.00']), source(['card', 'a', null]), source(['card', 'b', null])] as const
  const [v1, v2, v3, v4] = [source(['voucher', 'v1', '1.00']), source(['voucher', 'v2', '1.00']), source(['voucher', 'v3', '1.00']), source(['voucher', 'v4', '1.00'])] as const
  it('another card takes the place of the first', () => expect(toggled([balance, one], other)).toEqual([balance, other]))
  it('what was chosen is left', () => expect(toggled([balance, one], balance)).toEqual([one]))
  it('no fourth voucher', () => expect(toggled([v1, v2, v3], v4)).toEqual([v1, v2, v3]))
  it('the balance gives first, whatever was tapped first', () =>
    expect(planned([one, balance], '10.00', 'CNY').parts).toEqual([
      { source: 'balance', of: '', amount: '4.00' },
      { source: 'card', of: 'a', amount: '6.00' },
    ]))
  it('what is missing is said', () => expect(planned([balance], '10.00', 'CNY').missing).toBe('6.00'))
})
