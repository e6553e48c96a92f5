import { describe, expect, it } from 'vitest'
import { heldBeside, stillChargeable, stillHeld } from '../src/held.ts'

describe('what of an order is still held, and may still be charged', () => {
  it.each([
    ['200.00', '230.00', '0.00', '200.00', '230.00'],
    ['200.00', '230.00', '80.01', '119.99', '149.99'],
    ['200.00', '230.00', '200.00', '0.00', '30.00'],
    ['200.00', '230.00', '210.00', '0.00', '20.00'],
    ['200.00', null, '80.00', '120.00', '120.00'],
  ])('%s held, at most %s, %s charged: %s held, %s to charge', (amount, most, paid, held, chargeable) => {
    const order = { amount, most, paid, currency: 'CNY' }
    expect([stillHeld(order), stillChargeable(order)]).toEqual([held, chargeable])
  })
})

describe('what is held beside what merchants may charge', () => {
  it.each([
    ['75.00', [], '75.00'],
    ['75.00', ['25.00', '50.00'], null],
    ['75.00', ['25.00'], '50.00'],
    ['25.00', ['40.00'], null],
    ['0.00', [], null],
  ] as const)('of %s with %j listed: %s', (held, listed, rest) => {
    expect(heldBeside(held, 'CNY', listed)).toBe(rest)
  })
})
