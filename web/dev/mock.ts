/** A stand-in for the server, for development only (MOCK=1): never part of a build. */
import type { Plugin } from 'vite'

export function mockApi(): Plugin {
  return { name: 'tongbao-mock-api', apply: 'serve' }
}
