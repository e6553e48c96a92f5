/**
 * The password of a registration just made, kept in memory for the one step that follows (setting the PIN asks for it),
 * taken once and never stored.
 */
let password: string | null = null

export function rememberPassword(text: string): void {
  password = text
  setTimeout(() => (password = null), 5 * 60_000)
}

export function rememberedPassword(): string | null {
  return password
}

export function forgetPassword(): void {
  password = null
}
