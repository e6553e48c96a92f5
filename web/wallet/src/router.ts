/** The wallet's pages. `open`: seen without a login; `tabs`: a main place, with the bar at the bottom;
 * `offline`: opens without a network, for whom this device keeps a code. */
import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import { onSessionEnded } from './api.ts'
import { keptCode } from './code/kept.ts'
import HomePage from './pages/HomePage.vue'
import { me, ready } from './session.ts'

declare module 'vue-router' {
  interface RouteMeta {
    open?: boolean
    tabs?: boolean
    offline?: boolean
  }
}

const routes: RouteRecordRaw[] = [
  { path: '/', name: 'home', component: HomePage, meta: { tabs: true } },
  { path: '/welcome', name: 'welcome', component: () => import('./pages/WelcomePage.vue'), meta: { open: true } },
  { path: '/register', name: 'register', component: () => import('./pages/RegisterPage.vue'), meta: { open: true } },
  { path: '/login', name: 'login', component: () => import('./pages/LoginPage.vue'), meta: { open: true } },
  { path: '/pin', name: 'set-pin', component: () => import('./pages/PinPage.vue') },
  { path: '/scan', name: 'scan', component: () => import('./pages/ScanPage.vue') },
  { path: '/code', name: 'code', component: () => import('./code/CodePage.vue'), meta: { offline: true } },
  { path: '/pay', name: 'pay', component: () => import('./pages/PayPage.vue') },
  { path: '/transfer', name: 'transfer', component: () => import('./pages/TransferPage.vue') },
  { path: '/topup', name: 'topup', component: () => import('./pages/BankMovePage.vue'), props: { kind: 'topup' } },
  { path: '/withdraw', name: 'withdraw', component: () => import('./pages/BankMovePage.vue'), props: { kind: 'withdrawal' } },
  { path: '/bank-transfers/:id', name: 'bank-transfer', component: () => import('./pages/BankTransferPage.vue'), props: true },
  { path: '/bank-accounts', name: 'bank-accounts', component: () => import('./pages/BankAccountsPage.vue') },
  { path: '/bank-accounts/new', name: 'link-bank', component: () => import('./pages/LinkBankPage.vue') },
  { path: '/cards', name: 'cards', component: () => import('./cards/CardsPage.vue') },
  { path: '/cards/new', name: 'bind-card', component: () => import('./cards/BindCardPage.vue') },
  { path: '/bills', name: 'bills', component: () => import('./pages/BillsPage.vue') },
  { path: '/bills/:id', name: 'bill', component: () => import('./pages/BillPage.vue'), props: true },
  { path: '/help', name: 'help', component: () => import('./pages/HelpPage.vue'), meta: { open: true } },
  { path: '/held', name: 'held', component: () => import('./pages/HeldPage.vue') },
  { path: '/me', name: 'me', component: () => import('./pages/MePage.vue'), meta: { tabs: true } },
  { path: '/me/devices', name: 'devices', component: () => import('./security/DevicesPage.vue') },
  { path: '/me/security', name: 'security', component: () => import('./security/SecurityPage.vue') },
  { path: '/recover', name: 'recover', component: () => import('./security/RecoverPage.vue'), meta: { open: true } },
  { path: '/stop', name: 'stop', component: () => import('./security/StopPage.vue'), meta: { open: true } },
  { path: '/me/security/takeover', name: 'takeover', component: () => import('./security/TakeoverPage.vue') },
  { path: '/me/security/password', name: 'password', component: () => import('./security/PasswordPage.vue') },
  { path: '/me/security/passkeys', name: 'passkeys', component: () => import('./security/PasskeysPage.vue') },
  { path: '/me/security/app', name: 'totp', component: () => import('./security/TotpPage.vue') },
  { path: '/me/security/certificate', name: 'certificate', component: () => import('./security/CertificatePage.vue') },
  { path: '/me/security/alerts', name: 'alerts', component: () => import('./security/AlertsPage.vue') },
  { path: '/me/security/instruments', name: 'instruments', component: () => import('./code/InstrumentsPage.vue') },
  { path: '/me/security/text', name: 'text', component: () => import('./text/TextPage.vue') },
  { path: '/me/real-name', name: 'real-name', component: () => import('./realname/RealNamePage.vue') },
  { path: '/me/real-name/document', name: 'real-name-document', component: () => import('./realname/DocumentPage.vue') },
  { path: '/me/wards', name: 'wards', component: () => import('./realname/WardsPage.vue') },
  { path: '/me/wards/:id/bills', name: 'ward-bills', component: () => import('./realname/WardBillsPage.vue'), props: true },
  { path: '/me/limits', name: 'limits', component: () => import('./limits/LimitsPage.vue') },
  { path: '/me/agreements', name: 'agreements', component: () => import('./agreements/AgreementsPage.vue') },
  { path: '/me/small-payments', name: 'small-payments', component: () => import('./agreements/SmallPaymentsPage.vue') },
  { path: '/agreements/:id', name: 'agreement', component: () => import('./agreements/AgreementPage.vue'), props: true },
  { path: '/me/privacy', name: 'privacy', component: () => import('./privacy/PrivacyPage.vue') },
  { path: '/me/privacy/consents', name: 'consents', component: () => import('./privacy/ConsentsPage.vue') },
  { path: '/me/privacy/copy', name: 'copy', component: () => import('./privacy/CopyPage.vue') },
  { path: '/me/privacy/corrections', name: 'corrections', component: () => import('./privacy/CorrectionsPage.vue') },
  { path: '/me/privacy/accesses', name: 'accesses', component: () => import('./privacy/AccessesPage.vue') },
  { path: '/me/privacy/reviews', name: 'reviews', component: () => import('./privacy/ReviewsPage.vue') },
  { path: '/me/privacy/leave', name: 'leave', component: () => import('./privacy/LeavePage.vue') },
  { path: '/:rest(.*)*', name: 'missing', component: () => import('./pages/MissingPage.vue'), meta: { open: true } },
]

export const router = createRouter({
  history: createWebHistory('/wallet/'),
  routes,
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})

router.beforeEach(async (to) => {
  if (to.meta.offline && me.value === undefined && (await keptCode())) return true // a till does not wait for a network: the page asks whose it is
  const customer = await ready()
  if (!customer && !to.meta.open) return to.name === 'home' ? { name: 'welcome' } : { name: 'login', query: { next: to.fullPath } }
  if (customer && (to.name === 'welcome' || to.name === 'login' || to.name === 'register')) return { name: 'home' }
  return true
})

// Focus goes to the new page's heading, as a full page load would do.
router.afterEach((to, from) => {
  if (to.path === from.path) return
  setTimeout(() => document.querySelector<HTMLElement>('[data-page-title]')?.focus({ preventScroll: true }), 50)
})

onSessionEnded(() => {
  if (!me.value) return
  me.value = null
  void router.replace({ name: 'login', query: { next: router.currentRoute.value.fullPath } })
})
