/** Unit tests of rules without a page: shared/test, merchant/test, console/test. */
import { fileURLToPath, URL } from 'node:url'
import { defineConfig } from 'vitest/config'

const shared = fileURLToPath(new URL('./shared/src/', import.meta.url))

export default defineConfig({
  resolve: { alias: [{ find: /^@shared$/, replacement: `${shared}index.ts` }, { find: /^@shared\//, replacement: shared }] },
  test: { include: ['*/test/**/*.test.ts'] },
})
