/** Every failure of a call, as one type: what the server said, or that we heard nothing. */
import { language, type Language } from '../i18n/language.ts'

export type ErrorFamily = 'decline' | 'refusal' | 'broken' | 'network'

export interface ErrorBody {
  code: string
  message: string
  messages?: Record<Language, string>
  family?: 'decline' | 'refusal' | 'broken'
  money_moved?: boolean
  retryable?: boolean
  detail?: Record<string, unknown>
  request_id?: string
}

export class ApiError extends Error {
  readonly code: string
  readonly family: ErrorFamily
  readonly messages: Record<Language, string>
  /** true or false as the server says; null when we heard no answer, so nobody knows yet. */
  readonly moneyMoved: boolean | null
  readonly retryable: boolean
  readonly status: number
  readonly detail: Record<string, unknown>
  readonly requestId: string | null
  /** Milliseconds that the server asks us to wait before we try again; null if it does not say. */
  readonly retryAfter: number | null

  constructor(
    status: number, body: ErrorBody, family: ErrorFamily, moneyMoved: boolean | null, retryAfter: number | null = null,
  ) {
    super(body.message)
    this.name = 'ApiError'
    this.status = status
    this.code = body.code
    this.family = family
    this.messages = body.messages ?? { zh: body.message, en: body.message }
    this.moneyMoved = moneyMoved
    this.retryable = body.retryable ?? false
    this.detail = body.detail ?? {}
    this.requestId = body.request_id ?? null
    this.retryAfter = retryAfter
  }

  /** The message in the device's language. */
  get text(): string {
    return this.messages[language.value]
  }

  /** The outcome of what was asked is not known: a repeat with the same key will tell. */
  get unknownOutcome(): boolean {
    return this.moneyMoved === null
  }

  /** The same, where an earlier try may have done what this one did not. */
  unsettled(): ApiError {
    const body: ErrorBody = {
      code: this.code, message: this.message, messages: this.messages, retryable: this.retryable, detail: this.detail,
      ...(this.requestId === null ? {} : { request_id: this.requestId }),
    }
    return new ApiError(this.status, body, this.family, null, this.retryAfter)
  }

  static fromAnswer(status: number, body: ErrorBody | undefined, acted: boolean, retryAfter: number | null = null): ApiError {
    if (body?.code) {
      // `timed_out` is the server saying that it does not know either; a broken 5xx without a word likewise.
      const unknown = acted && body.code === 'timed_out'
      return new ApiError(status, body, body.family ?? 'refusal', unknown ? null : (body.money_moved ?? false), retryAfter)
    }
    const text = { zh: `服务器答复异常（${status}）。`, en: `The server gave an unexpected answer (${status}).` }
    const made: ErrorBody = { code: `http_${status}`, message: text[language.value], messages: text, retryable: status >= 500 }
    return new ApiError(status, made, 'broken', acted && status >= 500 ? null : false)
  }

  static unreachable(acted: boolean, timedOut: boolean): ApiError {
    const messages = timedOut
      ? { zh: '等待服务器答复超时。', en: 'The server did not answer in time.' }
      : { zh: '无法连接服务器，请检查网络。', en: 'The server cannot be reached. Check your connection.' }
    const code = timedOut ? 'client_timeout' : 'network_unreachable'
    return new ApiError(0, { code, message: messages[language.value], messages, retryable: true }, 'network', acted ? null : false)
  }

  /** Whatever was thrown, as an ApiError, so that screens have one shape to show. */
  static from(thrown: unknown): ApiError {
    if (thrown instanceof ApiError) return thrown
    const messages = { zh: '页面出错了。', en: 'This page ran into a fault.' }
    return new ApiError(0, { code: 'client_fault', message: messages[language.value], messages }, 'broken', false)
  }
}
