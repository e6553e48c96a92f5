/**
 * A stand-in for the server's /v1/wallet, for looking at the screens in development (MOCK=1). Never part of a build,
 * and no measure of the real server: it keeps a few accounts in memory and forgets them at restart.
 *
 * Demo login 13800138000 / "correct horse", PIN 258036. Codes: `order:<yuan>` makes an order, `shop` a static code,
 * `shop:<yuan>` one with its amount, `alipay` a foreign one, anything else is malformed. Notes and amounts that play a part:
 * 6.66 never answers the first time; a top-up of 7.77 stays UNKNOWN for a while; 4.44 fails at the bank.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Plugin } from 'vite'

type Json = Record<string, unknown>
interface Customer {
  id: string
  login: string
  name: string
  password: string
  pin: string | null
  pinLeft: number
  balance: number
  banks: Json[]
  bills: Json[]
  created: string
}
interface Call {
  me: Customer | undefined
  body: Record<string, string>
  query: URLSearchParams
  params: string[]
  session: string | undefined
}

const customers: Customer[] = []
const sessions = new Map<string, { customer: Customer; device: string; created: string }>()
const payments = new Map<string, Json & { amount: string; state: string }>()
const moves = new Map<string, Json & { state: string; polls: number; to: string }>()
const answers = new Map<string, { status: number; body: unknown }>()
const yuan = (fen: number): string => (fen / 100).toFixed(2)
const fen = (text: string): number => Math.round(Number(text) * 100)
const now = (ago = 0): string => new Date(Date.now() - ago).toISOString().replace('Z', '000Z')
const id = (prefix: string): string => `${prefix}_${randomUUID().replace(/-/g, '').slice(0, 20)}`
const masked = (text: string): string => (text.includes('@') ? `${text[0]}***${text.slice(text.indexOf('@'))}` : `${text.slice(0, 3)}****${text.slice(-4)}`)
const maskName = (name: string): string => (/^[ -~]+$/.test(name) ? `${name[0]}*** ${name.split(' ').at(-1)?.[0] ?? ''}*` : `${name[0]}*${name.length > 2 ? name.at(-1) : ''}`)

class Fault extends Error {
  constructor(readonly status: number, readonly code: string, readonly zh: string, readonly en: string, readonly detail: Json = {}) {
    super(code)
  }
}

const meOf = (one: Customer): Json => ({
  customer_id: one.id, name: one.name, name_masked: maskName(one.name), login_masked: masked(one.login), has_pin: one.pin !== null, locale: 'zh', created_at: one.created,
})
function newCustomer(login: string, password: string, name: string): Customer {
  const made: Customer = { id: id('cus'), login, name, password, pin: null, pinLeft: 5, balance: 0, banks: [], bills: [], created: now(40 * 86_400_000) }
  customers.push(made)
  return made
}
function bill(one: Customer, kind: string, direction: 'in' | 'out', amount: number, who: Json, title: string, more: Json = {}): Json {
  const state = more['state'] ?? 'SUCCEEDED'
  if (state === 'SUCCEEDED' && !more['at']) one.balance += direction === 'in' ? amount : -amount
  const made = {
    bill_id: id('bil'), kind, direction, amount: yuan(amount), currency: 'CNY', counterparty: who, title, at: now(), state,
    balance_after: yuan(one.balance), journal_id: id('jnl'), ...more,
  }
  one.bills.unshift(made)
  return made
}
function checkPin(one: Customer, pin: string | undefined): void {
  if (!one.pin) throw new Fault(422, 'pin_not_set', '请先设置支付密码。', 'Set a payment PIN first.')
  if (pin === one.pin) {
    one.pinLeft = 5
    return
  }
  one.pinLeft -= 1
  if (one.pinLeft <= 0) throw new Fault(422, 'pin_locked', '支付密码错误次数过多，请 15 分钟后再试。', 'Too many wrong PINs. Try again in 15 minutes.')
  throw new Fault(422, 'wrong_pin', '支付密码不正确。', 'That PIN is not right.', { attempts_left: one.pinLeft })
}
function checkFunds(one: Customer, amount: number): void {
  if (one.balance < amount) throw new Fault(422, 'insufficient_funds', '余额不足，请充值后再试。', 'There is not enough in your balance. Top up and try again.')
}
const CAFE = { merchant_id: 'mer_1', name: '晨光咖啡' }
const STORE = { store_id: 'sto_1', name: '人民广场店' }
function order(amount: string): Json {
  const made = {
    payment_id: id('pay'), merchant: CAFE, store: STORE, out_trade_no: `CG${Date.now()}`, subject: '拿铁两杯', amount, currency: 'CNY', state: 'CREATED', paid: '0.00', refunded: '0.00', captures: [],
    created_at: now(), expires_at: now(-15 * 60_000), refunds: [] as Json[],
  }
  payments.set(made.payment_id, made)
  return made
}
function pay(one: Customer, payment: Json & { amount: string; state: string }): Json {
  const made = bill(one, 'payment', 'out', fen(payment.amount), { name: CAFE.name, kind: 'merchant' }, String(payment['subject']), { payment_id: payment['payment_id'] })
  return Object.assign(payment, { state: 'PAID', paid_at: now(), bill_id: made['bill_id'] })
}
function bankMove(one: Customer, kind: 'topup' | 'withdrawal', body: Record<string, string>): Json {
  checkPin(one, body['pin'])
  const amount = fen(body['amount'] ?? '0')
  if (kind === 'withdrawal') checkFunds(one, amount)
  const slow = body['amount'] === '7.77'
  const made = {
    bank_transfer_id: id('btr'), kind, state: slow ? 'UNKNOWN' : 'PENDING', amount: yuan(amount), currency: 'CNY', created_at: now(), polls: slow ? 8 : 2,
    bank_account: one.banks.find((bank) => bank['bank_account_id'] === body['bank_account_id']), to: body['amount'] === '4.44' ? 'FAILED' : 'SUCCEEDED',
  }
  moves.set(made.bank_transfer_id, made)
  return made
}

const demo = newCustomer('13800138000', 'correct horse', '张小明')
demo.pin = '258036'
demo.balance = 123450
newCustomer('13900139000', 'correct horse', '李雪梅').pin = '258036'
demo.banks.push({ bank_account_id: 'bac_1', bank: 'simbank', bank_name: { zh: '模拟银行', en: 'Simulated Bank' }, number_masked: '6222 **** 1234', holder_masked: '张*明' })
const HOUR = 3_600_000
bill(demo, 'topup', 'in', 200000, { name: '模拟银行', kind: 'bank' }, '充值', { at: now(75 * HOUR), balance_after: '2000.00' })
bill(demo, 'transfer', 'out', 50000, { name: '李*梅', login_masked: '139****9000', kind: 'customer' }, '转账', { at: now(50 * HOUR), note: '房租', balance_after: '1500.00' })
bill(demo, 'payment', 'out', 26800, { name: '江南小馆', kind: 'merchant' }, '晚餐', { at: now(27 * HOUR), state: 'PARTLY_REFUNDED', balance_after: '1232.00' })
bill(demo, 'refund', 'in', 3000, { name: '江南小馆', kind: 'merchant' }, '退款', { at: now(26 * HOUR), balance_after: '1262.00' })
bill(demo, 'topup', 'in', 10000, { name: '模拟银行', kind: 'bank' }, '充值', { at: now(5 * HOUR), state: 'FAILED', balance_after: null })
bill(demo, 'payment', 'out', 2750, { name: '晨光咖啡', kind: 'merchant' }, '拿铁一杯', { at: now(2 * HOUR), balance_after: '1234.50' })
for (let n = 0; n < 30; n += 1) {
  demo.bills.push({ ...demo.bills[0], bill_id: id('bil'), amount: yuan(1200 + n * 35), at: now((100 + n * 9) * HOUR) })
}

type Handler = (call: Call) => [number, unknown]
const mine = (call: Call): Customer => {
  if (!call.me) throw new Fault(401, 'unauthenticated', '请先登录。', 'Please log in.')
  return call.me
}
function openSession(one: Customer, device: string | undefined): [Json, string] {
  const token = id('ses')
  sessions.set(token, { customer: one, device: device ?? '', created: now() })
  return [{ session_id: token, token, customer: meOf(one) }, token]
}

const routes: [string, RegExp, Handler][] = [
  ['POST', /^\/register$/, ({ body }) => {
    if (customers.some((one) => one.login === body['login'])) throw new Fault(409, 'login_taken', '该手机号或邮箱已注册。', 'This phone or email already has an account.')
    return [201, openSession(newCustomer(body['login'] ?? '', body['password'] ?? '', body['name'] ?? ''), body['device_name'])[0]]
  }],
  ['POST', /^\/login$/, ({ body }) => {
    const found = customers.find((one) => one.login === body['login'] && one.password === body['password'])
    if (!found) throw new Fault(401, 'wrong_credentials', '账号或密码不正确。', 'The login or the password is not right.')
    return [200, openSession(found, body['device_name'])[0]]
  }],
  ['POST', /^\/logout$/, ({ session }) => [sessions.delete(session ?? '') ? 204 : 204, undefined]],
  ['GET', /^\/me$/, (call) => [200, meOf(mine(call))]],
  ['GET', /^\/sessions$/, (call) => [200, {
    items: [
      { session_id: 'cur', device_name: sessions.get(call.session ?? '')?.device, created_at: now(), last_seen_at: now(), current: true },
      { session_id: 'old', device_name: 'Safari · iOS', created_at: now(90 * HOUR), last_seen_at: now(30 * HOUR), current: false },
    ].filter((_, at) => at < (mine(call).pinLeft ? 2 : 1)), next_cursor: null }]],
  ['DELETE', /^\/sessions\/(.+)$/, () => [204, undefined]],
  ['POST', /^\/pin$/, (call) => {
    const one = mine(call)
    if (call.body['password'] !== one.password) throw new Fault(401, 'wrong_credentials', '登录密码不正确。', 'The password is not right.')
    if (['123456', '111111', '000000'].includes(call.body['pin'] ?? '')) throw new Fault(422, 'pin_too_simple', '支付密码过于简单，请换一个。', 'This PIN is too easy to guess. Choose another.')
    one.pin = call.body['pin'] ?? null
    return [204, undefined]
  }],
  ['GET', /^\/balance$/, (call) => [200, { currency: 'CNY', balance: yuan(mine(call).balance), available: yuan(mine(call).balance), held: '0.00', in_transit_out: '0.00' }]],
  ['GET', /^\/bank-accounts$/, (call) => [200, { items: mine(call).banks, next_cursor: null }]],
  ['POST', /^\/bank-accounts$/, (call) => {
    const number = call.body['account_number'] ?? ''
    if (number.endsWith('0000')) throw new Fault(422, 'bank_account_not_found', '银行没有找到这个卡号。', 'The bank does not know this number.')
    const made = { bank_account_id: id('bac'), bank: 'simbank', bank_name: { zh: '模拟银行', en: 'Simulated Bank' }, number_masked: `${number.slice(0, 4)} **** ${number.slice(-4)}`, holder_masked: maskName(call.body['holder_name'] ?? '') }
    mine(call).banks.push(made)
    return [201, made]
  }],
  ['DELETE', /^\/bank-accounts\/(.+)$/, (call) => {
    const one = mine(call)
    one.banks = one.banks.filter((bank) => bank['bank_account_id'] !== call.params[0])
    return [204, undefined]
  }],
  ['POST', /^\/topups$/, (call) => [201, bankMove(mine(call), 'topup', call.body)]],
  ['POST', /^\/withdrawals$/, (call) => [201, bankMove(mine(call), 'withdrawal', call.body)]],
  ['GET', /^\/bank-transfers\/(.+)$/, (call) => {
    const move = moves.get(call.params[0] ?? '')
    if (!move) throw new Fault(404, 'not_found', '没有找到。', 'Not found.')
    move.polls -= 1
    if (move.polls === 0) {
      const topup = move['kind'] === 'topup'
      const failed = move.to === 'FAILED'
      const made = bill(mine(call), String(move['kind']), topup ? 'in' : 'out', fen(String(move['amount'])), { name: '模拟银行', kind: 'bank' }, topup ? '充值' : '提现', failed ? { state: 'FAILED', balance_after: null } : {})
      Object.assign(move, { state: move.to, finished_at: now(), bill_id: made['bill_id'], ...(failed ? { failure_code: 'bank_declined' } : {}) })
    }
    return [200, move]
  }],
  ['POST', /^\/payees\/resolve$/, (call) => {
    const found = customers.find((one) => one.login === call.body['login'])
    if (!found) throw new Fault(404, 'payee_not_found', '没有找到这位收款人，请核对手机号或邮箱。', 'Nobody has this phone or email. Please check it.')
    return [200, { payee_id: found.id, name_masked: maskName(found.name), login_masked: masked(found.login) }]
  }],
  ['POST', /^\/transfers$/, (call) => {
    const one = mine(call)
    checkPin(one, call.body['pin'])
    checkFunds(one, fen(call.body['amount'] ?? '0'))
    const to = customers.find((other) => other.id === call.body['payee_id'])
    return [201, bill(one, 'transfer', 'out', fen(call.body['amount'] ?? '0'), { name: maskName(to?.name ?? '?'), login_masked: masked(to?.login ?? ''), kind: 'customer' }, '转账', { note: call.body['note'] ?? null })]
  }],
  ['POST', /^\/scan$/, (call) => {
    mine(call)
    const [what, amount] = (call.body['text'] ?? '').split(':')
    if (what === 'order') return [200, { kind: 'order', payment: order(amount ?? '32.00') }]
    if (what === 'shop') return [200, { kind: 'static', merchant: CAFE, store: STORE, currency: 'CNY', amount: amount ?? null }]
    if (what === 'alipay') {
      return [200, { kind: 'foreign', code: 'alipay', scheme: { zh: '支付宝', en: 'Alipay' }, message: { zh: '通宝不能支付这个二维码。请用支付宝扫码，或请商户出示通宝收款码。', en: 'Tongbao cannot pay this code. Use Alipay, or ask the merchant for a Tongbao code.' } }]
    }
    throw new Fault(422, 'code_malformed', '二维码内容不完整或已损坏。', 'The code is incomplete or damaged.')
  }],
  ['POST', /^\/payments$/, (call) => {
    const one = mine(call)
    checkPin(one, call.body['pin'])
    checkFunds(one, fen(call.body['amount'] ?? '0'))
    return [201, pay(one, order(call.body['amount'] ?? '0') as Json & { amount: string; state: string })]
  }],
  ['POST', /^\/payments\/(.+)\/confirm$/, (call) => {
    const one = mine(call)
    const payment = payments.get(call.params[0] ?? '')
    if (!payment) throw new Fault(404, 'not_found', '没有找到。', 'Not found.')
    checkPin(one, call.body['pin'])
    checkFunds(one, fen(payment.amount))
    return [200, pay(one, payment)]
  }],
  ['GET', /^\/payments\/(.+)$/, (call) => {
    const payment = payments.get(call.params[0] ?? '')
    if (!payment) throw new Fault(404, 'not_found', '没有找到。', 'Not found.')
    return [200, payment]
  }],
  ['GET', /^\/bills$/, (call) => {
    const { query } = call
    const day = (one: Json): string => String(one['at']).slice(0, 10)
    const wanted = mine(call).bills.filter((one) =>
      (!query.get('kind') || one['kind'] === query.get('kind')) && (!query.get('direction') || one['direction'] === query.get('direction')) &&
      (!query.get('from') || day(one) >= String(query.get('from'))) && (!query.get('to') || day(one) <= String(query.get('to'))))
    const start = Number(query.get('cursor') ?? 0)
    const end = start + Number(query.get('limit') ?? 20)
    const items = wanted.slice(start, end)
    const sum = (date: string, way: string): string => yuan(wanted.filter((one) => day(one) === date && one['direction'] === way && one['state'] !== 'FAILED').reduce((total, one) => total + fen(String(one['amount'])), 0))
    return [200, { items, next_cursor: end < wanted.length ? String(end) : null, days: [...new Set(items.map(day))].map((date) => ({ date, in: sum(date, 'in'), out: sum(date, 'out') })) }]
  }],
  ['GET', /^\/bills\/(.+)$/, (call) => {
    const found = mine(call).bills.find((one) => one['bill_id'] === call.params[0])
    if (!found) throw new Fault(404, 'not_found', '没有找到这笔账单。', 'This bill was not found.')
    return [200, found]
  }],
]

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://mock')
  const path = url.pathname.replace('/v1/wallet', '')
  let raw = ''
  for await (const part of request) raw += String(part)
  await new Promise((done) => setTimeout(done, 120))
  const body = raw ? (JSON.parse(raw) as Record<string, string>) : {}
  const token = /mock_session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1]
  const key = request.headers['idempotency-key']
  const call: Call = { me: sessions.get(token ?? '')?.customer, body, query: url.searchParams, params: [], session: token }
  const kept = typeof key === 'string' ? answers.get(key) : undefined
  const answer = kept ?? run(request.method ?? 'GET', path, call)
  if (typeof key === 'string' && !kept) {
    answers.set(key, answer)
    if (body['amount'] === '6.66') return void request.socket.destroy()
  }
  const opened = (answer.body as { token?: string } | undefined)?.token
  if (opened) response.setHeader('Set-Cookie', `mock_session=${opened}; HttpOnly; SameSite=Strict; Path=/v1/wallet`)
  response.writeHead(answer.status, { 'Content-Type': 'application/json' })
  response.end(answer.body === undefined ? '' : JSON.stringify(answer.body))
}

function run(method: string, path: string, call: Call): { status: number; body: unknown } {
  try {
    for (const [verb, pattern, handler] of routes) {
      const found = pattern.exec(path)
      if (verb !== method || !found) continue
      const [status, body] = handler({ ...call, params: found.slice(1) })
      return { status, body: body === undefined ? undefined : structuredClone(body) }
    }
    throw new Fault(404, 'not_found', '没有这个接口。', 'No such route.')
  } catch (thrown) {
    const fault = thrown instanceof Fault ? thrown : new Fault(500, 'internal_error', '系统出错。', `The mock broke: ${String(thrown)}`)
    const messages = { zh: fault.zh, en: fault.en }
    return { status: fault.status, body: { error: { code: fault.code, message: fault.en, messages, family: 'decline', money_moved: false, retryable: false, detail: fault.detail, request_id: id('req') } } }
  }
}

export function mockApi(): Plugin {
  return {
    name: 'tongbao-mock-api',
    apply: 'serve',
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        if (request.url?.startsWith('/v1/wallet')) void handle(request, response)
        else next()
      })
    },
  }
}
