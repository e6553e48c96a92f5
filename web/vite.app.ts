/**
 * One recipe for the three front ends. Each app's `vite.config.ts` calls it with its own name, which is also
 * its base path and its folder under `dist/`.
 *
 * The server sends a strict Content-Security-Policy, so nothing may be inlined: no module preload polyfill,
 * no assets as data URLs in scripts, no inline script or style in the built HTML.
 */
import { fileURLToPath, URL } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig, type PluginOption, type UserConfig } from 'vite'
import { mockApi } from './dev/mock.ts'

export type AppName = 'wallet' | 'merchant' | 'console'

const PORTS: Record<AppName, number> = { wallet: 5173, merchant: 5174, console: 5175 }
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** The Vite configuration of `app`. `plugins` are added to Vue's. MOCK=1 serves the development mock instead of /v1. */
export function defineApp(app: AppName, plugins: PluginOption[] = []): UserConfig {
  const mock = process.env['MOCK'] === '1'
  return defineConfig({
    root: here(`./${app}`),
    base: `/${app}/`,
    plugins: [vue(), ...(mock ? [mockApi()] : []), ...plugins],
    resolve: {
      alias: [
        { find: /^@shared$/, replacement: here('./shared/src/index.ts') },
        { find: /^@shared\//, replacement: here('./shared/src/') },
      ],
    },
    build: {
      outDir: here(`./dist/${app}`),
      emptyOutDir: true,
      target: 'es2022',
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      sourcemap: false,
      rolldownOptions: { checks: { pluginTimings: false } }, // how long a plug-in took says nothing is amiss
    },
    server: {
      port: PORTS[app],
      ...(mock ? {} : { proxy: { '/v1': { target: 'http://127.0.0.1:8080', changeOrigin: false } } }),
    },
  }) as UserConfig
}
