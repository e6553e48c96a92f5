/* eslint-disable @typescript-eslint/no-non-null-assertion -- invented data: what is indexed is there */
/**
 * A pretend /v1/merchant for `MOCK=1 npm run dev:merchant`: development only, never built. An order is paid by a pretend
 * customer eight seconds after its code is shown. Amounts ending in .13 are never paid; a refund of exactly 6.66 fails.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { encode } from 'uqr'
import type { Plugin } from 'vite'
import { afternoon, FEE_PPM, feeOf, major, makeOrder, merchant, minor, pay, refund, stores, type FakeOrder } from './world.ts'

const PAID_AFTER_MS = 8_000
type Json = Record<string, unknown>

const staff = { staff_id: 'stf_01KB2H8', name: '周晓', role: 'owner', merchant: { ...merchant, fee_ppm: FEE_PPM }, stores, locale: 'zh' }
const orders = afternoon()
const listeners = new Set<ServerResponse>()
let loggedIn = process.env['MOCK_LOGGED_IN'] === '1'
let eventSerial = 0

export function merchantMock(): Plugin {
  return {
    name: 'tongbao-merchant-mock',
    apply: 'serve',
    enforce: 'pre',
    configureServer(server) {
      server.middlewares.use('/v1/merchant', (request, response) => void answer(request, response))
    },
  }
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://mock')
  const body = await read(request)
  const send = (status: number, value?: unknown): void => {
    response.statusCode = status
    response.setHeader('Content-Type', 'application/json')
    response.end(value === undefined ? '' : JSON.stringify(value))
  }
  const refuse = (status: number, code: string, zh: string, en: string): void =>
    send(status, { error: { code, message: zh, messages: { zh, en }, family: 'refusal', money_moved: false, retryable: false, detail: {}, request_id: 'req_mock' } })

  const path = url.pathname
  if (path === '/login') {
    if (body['password'] === 'wrong') return refuse(401, 'wrong_credentials', '账号或密码不正确。', 'Wrong account or password.')
    loggedIn = true
    return send(200, { session_id: 'ses_mock', token: 'mock', staff })
  }
  if (!loggedIn) return refuse(401, 'unauthenticated', '请先登录。', 'Please log in.')
  if (path === '/logout') {
    loggedIn = false
    return send(204)
  }
  if (path === '/me') return send(200, staff)
  if (path === '/events') return subscribe(response)
  if (path === '/balance') return send(200, { currency: 'CNY', balance: '8412.36', available: '8412.36', held: '0.00' })
  if (path === '/summary') return send(200, summary(url.searchParams.get('date') ?? ''))
  const store = /^\/stores\/([^/]+)\/code$/.exec(path)
  if (store) return send(200, code(`00020101021126350009tongbao.x0118${store[1]}5303156${url.searchParams.get('amount') ?? ''}6304A1B2`))
  if (path === '/orders') {
    if (request.method === 'POST') {
      const index = Math.max(0, stores.findIndex((one) => one.store_id === body['store_id']))
      const order = makeOrder(minor(String(body['amount'])), String(body['subject']), index, Date.now())
      orders.unshift(order)
      tell('payment.created', order)
      return send(201, order)
    }
    return send(200, list(url.searchParams))
  }
  const named = /^\/orders\/([^/]+)(\/code|\/close|\/refunds)?$/.exec(path)
  const order = orders.find((one) => one.out_trade_no === decodeURIComponent(named?.[1] ?? ''))
  if (!named || !order) return refuse(404, 'order_not_found', '没有这笔订单。', 'There is no such order.')
  expire(order)
  if (!named[2]) return send(200, order)
  if (named[2] === '/code') {
    if (!order.amount.endsWith('.13')) setTimeout(() => settle(order), PAID_AFTER_MS)
    return send(200, { ...code(`00020101021226${order.payment_id}5406${order.amount}6304C0DE`), expires_at: order.expires_at })
  }
  if (named[2] === '/close') {
    if (order.state === 'PAID') return refuse(409, 'order_paid', '订单已付款，不能取消。', 'The order is paid and cannot be cancelled.')
    order.state = 'CLOSED'
    order.closed_at = new Date().toISOString()
    tell('payment.closed', order)
    return send(200, order)
  }
  const amount = minor(String(body['amount']))
  if (amount === 666) return void setTimeout(() => request.socket.destroy(), 300)
  if (amount > minor(order.amount) - minor(order.refunded)) return refuse(422, 'refund_exceeds_paid', '退款超过可退金额。', 'The refund exceeds what can be refunded.')
  const made = refund(order, amount, Date.now(), body['reason'] as string | undefined)
  tell('payment.refunded', order, made)
  return send(201, made)
}

function settle(order: FakeOrder): void {
  if (order.state !== 'CREATED') return
  pay(order, eventSerial, Date.now())
  tell('payment.paid', order)
}

function expire(order: FakeOrder): void {
  if (order.state === 'CREATED' && Date.parse(order.expires_at) < Date.now()) order.state = 'EXPIRED'
}

function subscribe(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
  response.write(': ping\n\n')
  listeners.add(response)
  response.on('close', () => listeners.delete(response))
}

function tell(name: string, order: FakeOrder, made?: unknown): void {
  eventSerial += 1
  const { payment_id, out_trade_no, amount, currency, state } = order
  const data = { payment_id, out_trade_no, amount, currency, state, at: new Date().toISOString(), ...(made ? { refund: made } : {}) }
  for (const listener of listeners) listener.write(`id: ${eventSerial}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
}

function list(query: URLSearchParams): { items: FakeOrder[]; next_cursor: string | null } {
  const day = (order: FakeOrder): string => new Date(order.created_at).toLocaleDateString('sv-SE')
  const found = orders.filter((order) => {
    expire(order)
    const q = query.get('q')?.toLowerCase()
    if (query.get('state') && order.state !== query.get('state')) return false
    if (q && !`${order.out_trade_no} ${order.subject} ${order.payment_id}`.toLowerCase().includes(q)) return false
    if (query.get('from') && day(order) < query.get('from')!) return false
    return !(query.get('to') && day(order) > query.get('to')!)
  })
  const start = Number(query.get('cursor') ?? 0)
  const end = start + Number(query.get('limit') ?? 20)
  return { items: found.slice(start, end), next_cursor: end < found.length ? String(end) : null }
}

function summary(date: string): Json {
  const of = orders.filter((order) => order.state === 'PAID' && new Date(order.paid_at!).toLocaleDateString('sv-SE') === date)
  const back = orders.flatMap((order) => order.refunds).filter((one) => new Date(one.at).toLocaleDateString('sv-SE') === date)
  const paid = of.reduce((sum, order) => sum + minor(order.amount), 0)
  const refunded = back.reduce((sum, one) => sum + minor(one.amount), 0)
  const fees = of.reduce((sum, order) => sum + minor(order.fee), 0) - back.reduce((sum, one) => sum + feeOf(minor(one.amount)), 0)
  const hours = Array.from({ length: 24 }, (_, hour) => {
    const here = of.filter((order) => new Date(order.paid_at!).getHours() === hour)
    return { hour, count: here.length, amount: major(here.reduce((sum, order) => sum + minor(order.amount), 0)) }
  })
  return {
    date, currency: 'CNY', paid_count: of.length, paid: major(paid), refunded_count: back.length, refunded: major(refunded),
    fees: major(fees), net: major(paid - refunded - fees), balance: '8412.36', hours,
  }
}

function code(text: string): { text: string; svg: string } {
  const { size, data } = encode(text, { border: 4 })
  let d = ''
  data.forEach((row, y) => row.forEach((dark, x) => (d += dark ? `M${x} ${y}h1v1h-1z` : '')))
  return { text, svg: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" width="${size}" height="${size}"><path fill="#fff" d="M0 0h${size}v${size}h-${size}z"/><path d="${d}"/></svg>` }
}

async function read(request: IncomingMessage): Promise<Json> {
  let text = ''
  for await (const piece of request) text += String(piece)
  return text ? (JSON.parse(text) as Json) : {}
}
