// Build every front end that exists, or only those named: `node scripts/build.mjs wallet`. Says nothing unless something is amiss.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { writeInventory } from './inventory.mjs'

const web = fileURLToPath(new URL('..', import.meta.url))
const asked = process.argv.slice(2)
const apps = (asked.length ? asked : ['wallet', 'merchant', 'console']).filter((app) => {
  const found = existsSync(`${web}${app}/vite.config.ts`)
  if (!found && asked.length) throw new Error(`there is no front end at ${app}/`)
  return found
})
for (const app of apps) await build({ configFile: `${web}${app}/vite.config.ts`, logLevel: 'warn' })
writeInventory(`${web}dist`, apps)
