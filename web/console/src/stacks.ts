/**
 * `v-stacks` on a table lets it fold into cards on a phone (desk.css): every cell is told its column's name, which is then written
 * above the value. The roles keep it a table for screen readers, who lose that when cells are no longer laid out as cells.
 */
import type { ObjectDirective } from 'vue'

const ROLES = { table: 'table', thead: 'rowgroup', tbody: 'rowgroup', tfoot: 'rowgroup', tr: 'row', td: 'cell' } as const

function mark(table: HTMLTableElement): void {
  const names = [...(table.tHead?.rows[0]?.cells ?? [])].map((cell) => cell.textContent?.trim() ?? '')
  for (const [tag, role] of Object.entries(ROLES))
    for (const one of [table, ...table.querySelectorAll(tag)]) if (one.matches(tag)) one.setAttribute('role', role)
  for (const one of table.querySelectorAll('th')) one.setAttribute('role', one.scope === 'row' ? 'rowheader' : 'columnheader')
  for (const row of table.rows) {
    let column = 0
    for (const cell of row.cells) {
      if (cell.tagName === 'TD') cell.dataset['label'] = names[column] ?? ''
      column += cell.colSpan
    }
  }
}

export const vStacks: ObjectDirective<HTMLTableElement> = { mounted: mark, updated: mark }
