/**
 * The console's pages. Every filter is in the query, so that a view can be sent to a colleague.
 *
 *   /login, /welcome#…                 logging in; an invitation accepted
 *   /payments, /payments/:id           find by payment id, order no., payer's login, merchant (q, state, from, to)
 *   /journals/:id                      one journal as debits and credits
 *   /accounts, /accounts/:id           the accounts (code, owner); one account's statement (from, to)
 *   /trial-balance                     as of a day (date)
 *   /ledger, /ledger/line              the general ledger (from, to); one line by day and its entries (code, currency, date)
 *   /holds                             active holds, or those of one account (account)
 *   /periods, /files                   closing the books; exports and opening balances
 *   /chain                             the audit chain and its verification
 *   /bank-transfers                    the queue (state)
 *   /customers, /merchants             find (q);  /merchants/new creates
 *   /customers/:id, /merchants/:id     one customer's standing, name and limits; who stands behind a merchant, its caps
 *   /verifications                     who gave a document (state)
 *   /rules, /duties                    the law in force (which: rules, what-if, history; q, pack, action, read); what it obliges us to
 *   /approvals, /approvals/:id         what takes two operators (which: open, mine, ended, incidents); one proposal
 *   /operators, …/roles, …/keys        who is at the console, what each role may do, which keys there are
 *   /privacy, …/breaches/:id, …/assessments/:id   the privacy officer's desk (which: reviews, breaches, assessments, erasures, register)
 *   /scripts                           what the pages' policy stopped
 *   /account                           one's own: second factor, password, log-ins, devices
 *   /acts                              what operators did (by, subject, act, changes, from, to)
 */
import { createRouter, createWebHistory } from 'vue-router'
import { ApiError, hasBinding, type Operator } from '@shared'
import { api } from './api.ts'
import { home } from './roles.ts'
import { onSessionEnd, operator } from './session.ts'

export const router = createRouter({
  history: createWebHistory(import.meta.env.BASE_URL),
  routes: [
    { path: '/', redirect: () => home() },
    { path: '/login', component: () => import('./pages/Login.vue'), meta: { heading: 'login.title', guest: true } },
    { path: '/welcome', component: () => import('./pages/Welcome.vue'), meta: { heading: 'welcome.title', guest: true } },
    { path: '/payments', component: () => import('./pages/Payments.vue'), meta: { heading: 'payments.title' } },
    { path: '/payments/:id', component: () => import('./pages/PaymentDetail.vue'), props: true, meta: { heading: 'payment.title' } },
    { path: '/journals/:id', component: () => import('./pages/JournalDetail.vue'), props: true, meta: { heading: 'journal.title' } },
    { path: '/accounts', component: () => import('./pages/Accounts.vue'), meta: { heading: 'accounts.title' } },
    { path: '/accounts/:id', component: () => import('./pages/Statement.vue'), props: true, meta: { heading: 'statement.title' } },
    { path: '/trial-balance', component: () => import('./pages/TrialBalance.vue'), meta: { heading: 'trial.title' } },
    { path: '/ledger', component: () => import('./pages/Ledger.vue'), meta: { heading: 'ledger.title' } },
    { path: '/ledger/line', component: () => import('./pages/LedgerLine.vue'), meta: { heading: 'ledger.title' } },
    { path: '/holds', component: () => import('./pages/Holds.vue'), meta: { heading: 'holds.title' } },
    { path: '/periods', component: () => import('./pages/Periods.vue'), meta: { heading: 'periods.title' } },
    { path: '/files', component: () => import('./pages/Files.vue'), meta: { heading: 'files.title' } },
    { path: '/chain', component: () => import('./pages/Chain.vue'), meta: { heading: 'chain.title' } },
    { path: '/bank-transfers', component: () => import('./pages/BankTransfers.vue'), meta: { heading: 'transfers.title' } },
    { path: '/customers', component: () => import('./pages/Customers.vue'), meta: { heading: 'customers.title' } },
    { path: '/merchants', component: () => import('./pages/Merchants.vue'), meta: { heading: 'merchants.title' } },
    { path: '/customers/:id', component: () => import('./pages/CustomerDetail.vue'), props: true, meta: { heading: 'customers.title' } },
    { path: '/verifications', component: () => import('./pages/Verifications.vue'), meta: { heading: 'verifications.title' } },
    { path: '/rules', component: () => import('./pages/Rules.vue'), meta: { heading: 'rules.title' } },
    { path: '/duties', component: () => import('./pages/Duties.vue'), meta: { heading: 'duties.title' } },
    { path: '/merchants/new', component: () => import('./pages/NewMerchant.vue'), meta: { heading: 'merchant.title' } },
    { path: '/merchants/:id', component: () => import('./pages/MerchantDetail.vue'), props: true, meta: { heading: 'merchants.title' } },
    { path: '/approvals', component: () => import('./pages/Approvals.vue'), meta: { heading: 'approvals.title' } },
    { path: '/approvals/:id', component: () => import('./pages/ProposalDetail.vue'), props: true, meta: { heading: 'proposal.title' } },
    { path: '/operators', component: () => import('./pages/Operators.vue'), meta: { heading: 'operators.title' } },
    { path: '/operators/roles', component: () => import('./pages/Roles.vue'), meta: { heading: 'operators.rolesTable' } },
    { path: '/operators/keys', component: () => import('./pages/Keys.vue'), meta: { heading: 'keys.title' } },
    { path: '/privacy', component: () => import('./pages/Privacy.vue'), meta: { heading: 'privacy.title' } },
    { path: '/privacy/breaches/:id', component: () => import('./pages/BreachDetail.vue'), props: true, meta: { heading: 'breach.title' } },
    { path: '/privacy/assessments/:id', component: () => import('./pages/AssessmentDetail.vue'), props: true, meta: { heading: 'privacy.assessments' } },
    { path: '/scripts', component: () => import('./pages/Scripts.vue'), meta: { heading: 'scripts.title' } },
    { path: '/account', component: () => import('./pages/Account.vue'), meta: { heading: 'nav.account' } },
    { path: '/acts', component: () => import('./pages/Acts.vue'), meta: { heading: 'acts.title' } },
    { path: '/:rest(.*)*', redirect: '/' },
  ],
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
})

/** Where a second factor is required and was not shown, the server answers nothing but what is needed to set one up. */
const stuck = (one: Operator): boolean => one.second_factor_rule === 'required' && !one.second_factor

router.beforeEach(async (to) => {
  if (operator.value === undefined) {
    try {
      operator.value = (await hasBinding('console')) ? await api.me() : null
    } catch (thrown) {
      // With the server out of reach nobody can be asked to log in; the root says what is wrong.
      if (ApiError.from(thrown).status !== 401) throw thrown
      operator.value = null
    }
  }
  if (operator.value === null && !to.meta['guest']) return { path: '/login', query: to.path === '/payments' || to.path === '/' ? {} : { next: to.fullPath } }
  if (operator.value && stuck(operator.value) && to.path !== '/account') return '/account'
  return operator.value && to.meta['guest'] ? home() : true
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
  const from = router.currentRoute.value
  if (!from.meta['guest']) void router.replace({ path: '/login', query: { next: from.fullPath } })
})
