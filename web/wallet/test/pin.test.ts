import { describe, expect, it } from 'vitest'
import { isSimplePin } from '../src/pin.ts'

describe('a PIN that is too simple', () => {
  it.each([
    ['123456', true],
    ['654321', true],
    ['000000', true],
    ['135790', false],
    ['135791', false],
    ['123455', false],
    ['975310', false],
  ])('%s: %s', (pin, simple) => {
    expect(isSimplePin(pin)).toBe(simple)
  })
})
