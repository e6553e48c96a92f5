import { describe, expect, it } from 'vitest'
import { stillChargeable, stillHeld } from '../src/held.ts'

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
