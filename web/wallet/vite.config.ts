import { VitePWA } from 'vite-plugin-pwa'
import { defineApp } from '../vite.app.ts'

export default defineApp('wallet', [
  VitePWA({
    strategies: 'generateSW',
    registerType: 'autoUpdate',
    // The page registers the worker itself: an injected inline script would break the Content-Security-Policy.
    injectRegister: null,
    includeAssets: ['icon.svg', 'apple-touch-icon.png'],
    manifest: {
      id: '/wallet/',
      name: '通宝 Tongbao',
      short_name: '通宝',
      description: '付款、收款、转账，每一笔都清清楚楚。Pay, get paid and send money, with every step spelled out.',
      lang: 'zh-CN',
      start_url: '/wallet/',
      scope: '/wallet/',
      display: 'standalone',
      background_color: '#f5f7f8',
      theme_color: '#0b7a6b',
      icons: [
        { src: 'icon.svg', sizes: 'any', type: 'image/svg+xml' },
        { src: 'icon-192.png', sizes: '192x192', type: 'image/png' },
        { src: 'icon-512.png', sizes: '512x512', type: 'image/png' },
        { src: 'icon-maskable-512.png', sizes: '512x512', type: 'image/png', purpose: 'maskable' },
      ],
      shortcuts: [{ name: '付款码 Pay code', url: '/wallet/code' }, { name: '扫一扫 Scan', url: '/wallet/scan' }],
    },
    workbox: {
      // The shell only. There is no runtime caching: /v1 always goes to the network, money is never shown from a cache.
      globPatterns: ['**/*.{js,css,html,svg,png}'],
      navigateFallback: '/wallet/index.html',
      navigateFallbackAllowlist: [/^\/wallet\//],
      navigateFallbackDenylist: [/^\/v1\//],
      cleanupOutdatedCaches: true,
      sourcemap: false,
    },
  }),
])
