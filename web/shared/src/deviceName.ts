/** What the list of devices will call this one: "Chrome · Android". */
export function deviceName(): string {
  const agent = navigator.userAgent
  const pick = (pairs: [RegExp, string][], otherwise: string): string => pairs.find(([pattern]) => pattern.test(agent))?.[1] ?? otherwise
  const browser = pick([[/Edg\//, 'Edge'], [/Firefox\//, 'Firefox'], [/Chrome\//, 'Chrome'], [/Safari\//, 'Safari']], 'Browser')
  const system = pick([[/Android/, 'Android'], [/iPhone|iPad/, 'iOS'], [/Windows/, 'Windows'], [/Mac OS/, 'macOS'], [/Linux/, 'Linux']], '')
  return system ? `${browser} · ${system}` : browser
}
