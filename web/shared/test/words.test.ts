import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const WEB = join(import.meta.dirname, '..', '..')

it('nobody is called 你: every page says 您', () => {
  const sources = ['wallet', 'merchant', 'console', 'shared'].flatMap((part) =>
    readdirSync(join(WEB, part, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) => /\.(ts|vue)$/.test(name)).map((name) => join(WEB, part, 'src', name)),
  )
  expect(sources.length).toBeGreaterThan(200)
  expect(sources.filter((path) => readFileSync(path, 'utf8').includes('你'))).toEqual([])
})
