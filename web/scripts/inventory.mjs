/**
 * What the browser will run, written down: `dist/inventory.json` lists every script, style and page of every front end with its
 * SHA-384, and each page's own tags carry the same digest, so that a browser runs nothing else (Subresource Integrity).
 *
 * Source: PCI DSS 4.0.1, 6.4.3 (an inventory of scripts whose integrity is assured); W3C Subresource Integrity.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const RUNS = /\.(js|css|html)$/
const TAG = /<(?:script|link)\b[^>]*?\b(?:src|href)="\/([a-z]+)\/([^"]+\.(?:js|css))"[^>]*?>/g

const digest = (file) => `sha384-${createHash('sha384').update(readFileSync(file)).digest('base64')}`

/** Complete the pages of `apps` under `dist` and write the inventory; what it says of the other front ends stays. */
export function writeInventory(dist, apps) {
  const file = join(dist, 'inventory.json')
  const inventory = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  for (const app of apps) {
    const root = join(dist, app)
    const page = join(root, 'index.html')
    const whole = readFileSync(page, 'utf8').replace(TAG, (tag, owner, path) =>
      owner === app && !tag.includes(' integrity=') ? tag.replace(/\s*\/?>$/, ` integrity="${digest(join(root, path))}">`) : tag,
    )
    writeFileSync(page, whole)
    const files = readdirSync(root, { recursive: true }).map((name) => String(name).replaceAll('\\', '/'))
    inventory[app] = Object.fromEntries(files.filter((name) => RUNS.test(name)).sort().map((name) => [name, digest(join(root, name))]))
  }
  writeFileSync(file, `${JSON.stringify(inventory, null, 1)}\n`)
}
