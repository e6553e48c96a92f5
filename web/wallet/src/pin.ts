/** A PIN that the server would refuse as well: one digit repeated, or a run up or down. Said before it is typed again. */
export function isSimplePin(pin: string): boolean {
  const steps = new Set([...pin].slice(1).map((digit, at) => Number(digit) - Number(pin[at])))
  return steps.size === 1 && [-1, 0, 1].includes([...steps][0] ?? 9)
}
