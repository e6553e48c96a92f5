/**
 * Keyboard first: `/` goes to the page's search field, `j` and `k` move through the rows of the page's table, Enter opens.
 * Rows are marked with data-row and can take focus; the field with data-search. Keys typed into a field are left alone.
 */
const TYPING = 'input, select, textarea, [contenteditable="true"]'

function rows(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>('[data-row]')]
}

/** Focus the row `step` away from the focused one; the first row when none is. */
function move(step: 1 | -1): void {
  const all = rows()
  if (!all.length) return
  const now = all.findIndex((row) => row === document.activeElement || row.contains(document.activeElement))
  const next = now < 0 ? 0 : Math.min(all.length - 1, Math.max(0, now + step))
  all[next]?.focus()
  all[next]?.scrollIntoView({ block: 'nearest' })
}

export function startKeyboard(): void {
  document.addEventListener('keydown', (pressed) => {
    if (pressed.ctrlKey || pressed.metaKey || pressed.altKey || pressed.defaultPrevented) return
    const target = pressed.target as HTMLElement
    if (target.matches(TYPING)) {
      if (pressed.key === 'Escape') target.blur()
      return
    }
    if (document.querySelector('dialog[open]')) return
    if (pressed.key === '/') {
      const field = document.querySelector<HTMLInputElement>('[data-search]')
      if (!field) return
      pressed.preventDefault()
      field.focus()
      field.select()
    } else if (pressed.key === 'j' || pressed.key === 'k') {
      pressed.preventDefault()
      move(pressed.key === 'j' ? 1 : -1)
    } else if (pressed.key === 'Enter' && target.matches('[data-row]')) {
      pressed.preventDefault()
      target.querySelector<HTMLAnchorElement>('a[data-open]')?.click()
    }
  })
}
