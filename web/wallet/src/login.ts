/** A first look at what a person typed as their login; the server decides. */
export function looksLikeLogin(text: string): boolean {
  const clean = text.trim()
  return /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(clean) || /^\+?[\d\s-]{6,20}$/.test(clean)
}
