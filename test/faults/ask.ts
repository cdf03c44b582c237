import { NO_ANSWER_HEADER } from './balancer.ts'

/** What a request was for. */
export type Kind =
  | 'check'
  | 'refresh'
  | 'login'
  | 'register'
  | 'logout'
  | 'change password'
  | 'reset'
  | 'ledger'

/** What came of a request, as its client saw it. */
export interface Asked {
  readonly kind: Kind
  /** Milliseconds of `performance.now()`. */
  readonly startedAt: number
  readonly endedAt: number
  /** 0 where there was no answer. */
  readonly status: number
  readonly code: string
  readonly hasRetryAfter: boolean
  readonly body: Readonly<Record<string, unknown>>
}

export interface Ask {
  readonly path: string
  /** Sent as JSON by POST; a GET without. */
  readonly fields?: Readonly<Record<string, string>>
  readonly access?: string | undefined
  readonly key?: string
  /** By which the service counts tries. */
  readonly address: string
}

/** Rule 3 for clients, README.md. */
const GIVE_UP_MS = 10_000

/** Sends one request and never fails: no answer is an outcome too. */
export async function ask(
  base: string,
  kind: Kind,
  { path, fields, access, key, address }: Ask,
): Promise<Asked> {
  const startedAt = performance.now()
  const headers = {
    'x-forwarded-for': address,
    ...(fields && { 'content-type': 'application/json' }),
    ...(access !== undefined && { authorization: `Bearer ${access}` }),
    ...(key !== undefined && { 'idempotency-key': key }),
  }
  try {
    const response = await fetch(base + path, {
      headers,
      signal: AbortSignal.timeout(GIVE_UP_MS),
      ...(fields && { method: 'POST', body: JSON.stringify(fields) }),
    })
    const text = await response.text()
    const wasAnswered = !response.headers.has(NO_ANSWER_HEADER)
    const isJson = response.headers.get('content-type')?.includes('json') === true
    const body: Record<string, unknown> = isJson ? JSON.parse(text) : {}
    return {
      ...{ kind, startedAt, endedAt: performance.now(), body },
      status: wasAnswered ? response.status : 0,
      code: String(body['code'] ?? ''),
      hasRetryAfter: response.headers.has('retry-after'),
    }
  } catch {
    return {
      kind,
      startedAt,
      endedAt: performance.now(),
      status: 0,
      code: '',
      hasRetryAfter: false,
      body: {},
    }
  }
}
