/**
 * The cashier's pages.
 *
 *   /login                       log in, then back to where one was going
 *   /                            collect: keypad, then /collect/:no with the QR code, then "received"
 *   /orders, /orders/:no         list with filters in the query (q, state, from, to); one order with its refunds
 *   /code                        a store's static code as a poster
 *   /today                       the day in figures (query: date, view)
 *   /me, /business               merchant, settings, log out; caps, and who stands behind the merchant
 *   /me/account                  one's own account: second factor, password, log-ins, devices
 */
import { createRouter, createWebHistory } from 'vue-router'
import { ApiError, hasBinding } from '@shared'
import { api } from './api.ts'
import { startLive, stopLive } from './live.ts'
import { onSessionEnd, staff } from './session.ts'
import Collect from './pages/Collect.vue'
import CollectOrder from './pages/CollectOrder.vue'
import Till from './pages/Till.vue'

export const router = createRouter({
  history: createWebHistory(import.meta.env.BASE_URL),
  routes: [
    { path: '/login', component: () => import('./pages/Login.vue'), meta: { heading: 'login.title', guest: true } },
    {
      path: '/',
      component: Till,
      children: [
        { path: '', component: Collect, meta: { heading: 'nav.collect' } },
        { path: 'collect/:no', component: CollectOrder, props: true, meta: { heading: 'nav.collect' } },
      ],
    },
    {
      path: '/orders',
      component: () => import('./pages/Orders.vue'),
      meta: { heading: 'orders.title' },
      children: [{ path: ':no', component: () => import('./pages/OrderDetail.vue'), props: true, meta: { heading: 'detail.title' } }],
    },
    { path: '/code', component: () => import('./pages/StaticCode.vue'), meta: { heading: 'code.title' } },
    { path: '/today', component: () => import('./pages/Today.vue'), meta: { heading: 'today.title' } },
    { path: '/business', component: () => import('./pages/Business.vue'), meta: { heading: 'business.title' } },
    { path: '/me/account', component: () => import('./pages/Account.vue'), meta: { heading: 'me.account' } },
    { path: '/me', component: () => import('./pages/Me.vue'), meta: { heading: 'me.title' } },
    { path: '/:rest(.*)*', redirect: '/' },
  ],
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})

router.beforeEach(async (to) => {
  if (staff.value === undefined) {
    try {
      staff.value = (await hasBinding('merchant')) ? await api.me() : null
      if (staff.value) startLive()
    } catch (thrown) {
      // With the server out of reach nobody can be asked to log in; the root says what is wrong.
      if (ApiError.from(thrown).status !== 401) throw thrown
      staff.value = null
    }
  }
  if (staff.value === null && !to.meta['guest']) return { path: '/login', query: to.fullPath === '/' ? {} : { next: to.fullPath } }
  return staff.value && to.meta['guest'] ? '/' : true
})

// Focus goes to the new page's heading, as a full page load would do.
router.afterEach((to, from) => {
  if (to.path === from.path || from.matched.length === 0) return
  window.setTimeout(() => {
    if (document.activeElement?.matches('main *')) return // the page placed it already
    const headings = [...document.querySelectorAll<HTMLElement>('[data-page-title]')]
    headings.find((one) => one.offsetParent !== null)?.focus({ preventScroll: true })
  }, 50)
})

onSessionEnd(() => {
  stopLive()
  const from = router.currentRoute.value
  if (!from.meta['guest']) void router.replace({ path: '/login', query: { next: from.fullPath } })
})
