/* eslint-disable @typescript-eslint/no-non-null-assertion -- invented data: what is indexed is there */
/** A pretend /v1/console for `MOCK=1 npm run dev:console`: development only, never built. */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Plugin } from 'vite'
import { afternoon, major, merchant, minor, nextId, type FakeOrder } from '../../merchant/dev/world.ts'

type Json = Record<string, unknown>
const names: Record<string, { zh: string; en: string; type: string }> = {
  '1001': { zh: '客户备付金存款', en: 'Customer reserve at bank', type: 'asset' },
  '2001': { zh: '客户钱包余额', en: 'Customer wallets', type: 'liability' },
  '2101': { zh: '商户待结算余额', en: 'Merchant balances', type: 'liability' },
  '2301': { zh: '在途提现', en: 'Withdrawals in transit', type: 'liability' },
  '4001': { zh: '手续费收入', en: 'Fee income', type: 'income' },
}
const accountOf = (code: string, owner?: string): string => `acc_${code}_${owner?.slice(-6) ?? 'platform'}`
const orders: (FakeOrder & Json)[] = afternoon().map((order) => ({ ...order }))
const PERMISSIONS = ['self', 'payments.read', 'payments.refund', 'accounts.read', 'accounts.stop', 'accounts.release', 'accounts.bound', 'books.read', 'books.act', 'books.close', 'books.reopen', 'books.export', 'books.try_opening', 'people.read', 'merchants.read', 'merchants.open', 'chain.read', 'chain.verify', 'operators.read', 'operators.change', 'proposals', 'acts.read', 'incidents.read', 'incidents.review', 'rules.read', 'privacy.act', 'real_names.read', 'real_names.verify']
const operator = { operator_id: 'opr_01KB2', name: '何敏', roles: ['admin', 'finance'], locale: 'zh', permissions: PERMISSIONS, second_factor: true, second_factor_rule: 'warn' }
let loggedIn = process.env['MOCK_LOGGED_IN'] === '1'
let verifyingUntil = 0
let verified: Json | undefined

/** Journals of an order: a payment, and one for each refund. Balances are made up but run. */
const balances = new Map<string, number>()
const statements = new Map<string, Json[]>()
const journals = new Map<string, Json>()
const journalsOf = new Map<string, string[]>()
let version = 4000
function journal(order: FakeOrder, kind: string, at: string, legs: [string, string | undefined, number][], sequence: number): void {
  const journal_id = nextId('jrn')
  const entries = legs.map(([code, owner, amount]) => {
    const account_id = accountOf(code, owner)
    const balance = (balances.get(account_id) ?? 500_000) + amount
    balances.set(account_id, balance)
    const entry = { account_id, account_code: code, account_name: names[code], owner: owner ?? null, currency: 'CNY', amount: major(amount), balance_after: major(balance), version: version++ }
    statements.set(account_id, [{ journal_id, kind, at, date: at.slice(0, 10), amount: entry.amount, balance_after: entry.balance_after, version: entry.version }, ...(statements.get(account_id) ?? [])])
    return entry
  })
  journals.set(journal_id, { journal_id, kind, at, date: at.slice(0, 10), reverses: null, reversed_by: null, reversible: false, command_id: nextId('cmd'), writer: 'api-1', sequence, memo: order.subject, entries })
  journalsOf.set(order.payment_id, [...(journalsOf.get(order.payment_id) ?? []), journal_id])
}
;[...orders].reverse().forEach((order, index) => {
  if (order.state !== 'PAID') return
  const payer = order.payer!.customer_id
  journal(order, 'payment', order.paid_at!, [['2001', payer, -minor(order.amount)], ['2101', merchant.merchant_id, minor(order.net)], ['4001', undefined, minor(order.fee)]], 1200 + index)
  for (const one of order.refunds) {
    const fee = minor(one.fee_returned)
    journal(order, 'refund', one.at, [['2101', merchant.merchant_id, fee - minor(one.amount)], ['4001', undefined, -fee], ['2001', payer, minor(one.amount)]], 1201 + index)
  }
})
const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
const bank = (index: number): Json => ({ bank_account_id: nextId('bac'), bank: 'simbank', bank_name: { zh: '模拟银行', en: 'Simbank' }, number_masked: `6222 **** ${1234 + index * 77}`, holder_masked: '张*明' })
const transfers = Array.from({ length: 9 }, (_, index) => ({
  bank_transfer_id: nextId('btr'), kind: index % 3 ? 'topup' : 'withdrawal', state: (['UNKNOWN', 'PENDING', 'SUCCEEDED', 'FAILED'] as const)[index % 4], amount: major(10_000 * (index + 1)),
  currency: 'CNY', bank_account: bank(index), created_at: new Date(Date.now() - index * 900_000).toISOString(), customer_id: 'cus_01KA9M4C8E2T', attempts: index % 4 < 2 ? index + 1 : 1,
  next_attempt_at: index % 4 < 2 ? new Date(Date.now() + (index + 1) * 47_000).toISOString() : null, bank_reference: index % 2 ? null : `SB2026${100_000 + index}`, ...(index % 4 === 3 ? { failure_code: 'bank_insufficient_funds' } : {}),
}))
const customers = Array.from({ length: 5 }, (_, index) => ({ customer_id: `cus_01KA9M4C8E${index}T`, name_masked: ['张*明', '李*', 'A*** Turner', '欧阳**', '王*'][index], login_masked: ['138****8000', '159****2231', 'a***@example.com', '177****0456', '186****7719'][index], created_at: new Date(Date.now() - index * 86_400_000).toISOString(), balance: major(123_450 * (index + 1)) }))
const merchants: Json[] = [{ ...merchant, login_masked: '139****5566', name_masked: '周*', created_at: new Date(Date.now() - 9e8).toISOString(), balance: '8412.36', fee_ppm: 6000, mcc: '5814', city: '杭州', stores: 2, currency: 'CNY' }]

export function consoleMock(): Plugin {
  return {
    name: 'tongbao-console-mock',
    apply: 'serve',
    enforce: 'pre',
    configureServer(server) {
      server.middlewares.use('/v1/console', (request, response) => void answer(request, response))
    },
  }
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://mock')
  let text = ''
  for await (const piece of request) text += String(piece)
  const body = (text ? JSON.parse(text) : {}) as Json
  const send = (status: number, value?: unknown): void => {
    response.statusCode = status
    response.setHeader('Content-Type', 'application/json')
    response.end(value === undefined ? '' : JSON.stringify(value))
  }
  const refuse = (status: number, code: string, zh: string, en: string): void =>
    send(status, { error: { code, message: zh, messages: { zh, en }, family: 'refusal', money_moved: false, retryable: false, detail: {}, request_id: 'req_mock' } })
  const page = (all: unknown[]): void => {
    const start = Number(url.searchParams.get('cursor') ?? 0)
    const end = start + Number(url.searchParams.get('limit') ?? 20)
    send(200, { items: all.slice(start, end), next_cursor: end < all.length ? String(end) : null })
  }
  const q = (url.searchParams.get('q') ?? '').toLowerCase()
  const state = url.searchParams.get('state')
  const matches = (row: unknown): boolean => !q || JSON.stringify(row).toLowerCase().includes(q)

  const path = url.pathname
  if (path === '/login') {
    if (body['password'] === 'wrong') return refuse(401, 'wrong_credentials', '账号或密码不正确。', 'Wrong account or password.')
    loggedIn = true
    return send(200, { session_id: 'ses_mock', token: 'mock', operator })
  }
  if (!loggedIn) return refuse(401, 'unauthenticated', '请先登录。', 'Please log in.')
  if (path === '/logout') {
    loggedIn = false
    return send(204)
  }
  if (path === '/me') return send(200, operator)
  if (path === '/waiting') return send(200, { proposals: 0, incidents: 0, overdue: 0 })
  if (path === '/kinds') return send(200, { four_eyes: true, kinds: [] })
  if (path === '/roles') return send(200, { roles: [{ role: 'admin', permissions: PERMISSIONS }] })
  if (path === '/proposals' || path === '/incidents' || path === '/operators' || path === '/acts') return page([])
  if (path === '/payments') return page(orders.filter((order) => matches(order) && (!state || order.state === state)))
  if (path === '/accounts') return page(accounts().filter((one) => (!url.searchParams.get('code') || String(one['code']).startsWith(url.searchParams.get('code')!)) && (!url.searchParams.get('owner') || one['owner'] === url.searchParams.get('owner'))))
  if (path === '/trial-balance') return send(200, trial(url.searchParams.get('date')))
  if (path === '/general-ledger') {
    const [first_day, last_day] = [url.searchParams.get('from'), url.searchParams.get('to')]
    const rows = trial(null)['currencies'] as { currency: string; rows: Json[] }[]
    return send(200, { first_day, last_day, closed_through: null, rows: rows.flatMap((one) => one.rows.map((row) => ({ ...row, currency: one.currency, owned: true, opening: '0.00', closing: row['credit'] === '0.00' ? `-${row['debit'] as string}` : row['credit'], entries: 12 }))) })
  }
  if (path === '/general-ledger/days' || path === '/general-ledger/entries' || path === '/holds' || path === '/periods') return page([])
  if (path === '/periods/check') return send(200, { through: url.searchParams.get('through'), closed_through: null, ready: true, findings: [], results: [] })
  if (path === '/bank-transfers') return page(transfers.filter((one) => !state || one.state === state))
  if (path === '/customers') return page(customers.filter(matches))
  if (path === '/merchants' && request.method === 'POST') {
    if ((body['owner'] as Json)['login'] === '13800138000') return refuse(409, 'login_taken', '该登录名已被使用。', 'This login is already taken.')
    const made = { merchant_id: nextId('mer'), name: body['name'], login_masked: '1**********', created_at: new Date().toISOString(), balance: '0.00' }
    merchants.unshift(made)
    return send(201, made)
  }
  if (path === '/merchants') return page(merchants.filter(matches))
  if (path === '/chain/verify') {
    verifyingUntil = Date.now() + 4_000
    return send(202, { running: true })
  }
  if (path === '/chain') {
    if (verifyingUntil && Date.now() > verifyingUntil) {
      verified = { at: new Date(verifyingUntil).toISOString(), ok: true, batches: 48_112, journals: 51_207, entries: 153_402, duration_ms: 3_870 }
      verifyingUntil = 0
    }
    const writers = ['api-1', 'api-2', 'worker-1'].map((writer, index) => ({ writer, sequence: 24_310 - index * 7_011, head: hash(writer), at: new Date(Date.now() - index * 31_000).toISOString(), commands: 25_004 - index * 7_100, journals: 24_988 - index * 7_104 }))
    const anchors = [3, 2, 1].map((number) => ({ number, signed: true, at: new Date(Date.now() - (4 - number) * 60_000).toISOString(), writers: [{ writer: 1, first: number * 40 - 39, last: number * 40, root: hash(`root ${number}`) }], signature: hash(`r ${number}`) + hash(`s ${number}`) }))
    return send(200, { writers, verifying: verifyingUntil > 0, right_at: verified ? verified['at'] : null, algorithm: 'Ed25519', public_key: hash('key'), anchors, ...(verified ? { last_verified: verified } : {}) })
  }
  const found = /^\/(payments|journals|accounts)\/([^/]+)(\/statement)?$/.exec(path)
  if (found?.[1] === 'payments') {
    const order = orders.find((one) => one.payment_id === found[2])
    if (order) return send(200, { ...order, journals: (journalsOf.get(order.payment_id) ?? []).map((id) => journals.get(id)), events: events(order) })
  }
  if (found?.[1] === 'journals' && journals.has(found[2]!)) return send(200, journals.get(found[2]!))
  if (found?.[1] === 'accounts' && !found[3]) {
    const account = accounts().find((one) => one['account_id'] === found[2])
    if (account) return send(200, account)
  }
  if (found?.[1] === 'accounts' && found[3] && statements.has(found[2]!)) return page(statements.get(found[2]!)!)
  return refuse(404, 'not_found', '没有找到。', 'Not found.')
}

function accounts(): Json[] {
  return [...balances].map(([account_id, balance]) => {
    const [, code = '', tail = ''] = account_id.split('_')
    const owner = tail === 'platform' ? null : ([merchant.merchant_id, ...orders.flatMap((order) => order.payer?.customer_id ?? [])].find((id) => id.endsWith(tail)) ?? null)
    return { account_id, code, name: names[code], owner, currency: 'CNY', balance: major(balance), held: '0.00', floor: code.startsWith('20') ? '0.00' : null, ceiling: null, opened_at: new Date(0).toISOString(), closed_at: null, debit_freeze: [], credit_freeze: [], closable: owner !== null, version: statements.get(account_id)?.[0]?.['version'] ?? 0 }
  })
}

function trial(date: string | null): Json {
  const sums: [string, number][] = [['1001', 90_662_600], ['2001', -81_004_233], ['2101', -9_211_900], ['2301', -300_000], ['4001', -146_467]]
  const rows = sums.map(([code, sum]) => ({ code, name: names[code], type: names[code]!.type, debit: sum > 0 ? major(sum) : '0.00', credit: sum < 0 ? major(-sum) : '0.00' }))
  const usd = [{ code: '1001', name: names['1001'], type: 'asset', debit: '1200.00', credit: '0.00' }, { code: '2001', name: names['2001'], type: 'liability', debit: '0.00', credit: '1200.00' }]
  return {
    at: new Date().toISOString(),
    date,
    currencies: [
      { currency: 'CNY', rows, total_debit: major(90_662_600), total_credit: major(90_662_600), balanced: true, reserve: { held: '906626.00', owed: '902161.33', in_transit: '3000.00', own: '1464.67', equal: true, at_bank: '906626.00' } },
      { currency: 'USD', rows: usd, total_debit: '1200.00', total_credit: '1200.00', balanced: true, reserve: { held: '1200.00', owed: '1200.00', in_transit: '0.00', own: '0.00', equal: true, at_bank: null } },
    ],
  }
}

function events(order: FakeOrder): Json[] {
  const made: Json[] = [{ kind: 'created', at: order.created_at, by: merchant.merchant_id }]
  if (order.paid_at) made.push({ kind: 'paid', at: order.paid_at, by: order.payer!.customer_id })
  if (order.state === 'CLOSED' || order.state === 'EXPIRED') made.push({ kind: order.state.toLowerCase(), at: order.closed_at, by: 'system' })
  for (const one of order.refunds) made.push({ kind: 'refunded', at: one.at, by: merchant.merchant_id })
  return made
}
