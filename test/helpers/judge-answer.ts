import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request } from 'node:http'
import type { FuzzRequest } from './fuzz-requests.ts'

export interface RawAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly ms: number
}

/** No answer comes later than this. */
export const WITHIN_MS = 3000

const few = new Agent({ keepAlive: true, maxSockets: 16 })

/** Sends it as it is, which fetch would not do. @throws where no answer comes in time */
export function ask(
  url: string,
  { method, target, headers, body }: FuzzRequest,
  agent: Agent = few,
): Promise<RawAnswer> {
  const began = performance.now()
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(body.length) }
    const options = { agent, hostname, port, method, path: target, headers: { ...headers, ...length } }
    const asked = request(options, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk) => (text += chunk))
      answer.once('error', reject)
      answer.once('end', () => {
        const { statusCode: status = 0, headers: told } = answer
        resolve({ status, headers: told, text, ms: performance.now() - began })
      })
    })
    asked.setTimeout(4 * WITHIN_MS, () => asked.destroy(new Error(`no answer within ${WITHIN_MS} ms`)))
    asked.once('error', reject)
    asked.end(body)
  })
}

/** The same, but asked again where it came late: a machine that stood still for a moment is no fault of the answer. */
export async function askInTime(url: string, sent: FuzzRequest): Promise<RawAnswer> {
  const answer = await ask(url, sent)
  if (answer.ms <= WITHIN_MS) return answer
  const again = await ask(url, sent)
  return again.ms <= WITHIN_MS ? again : ask(url, sent)
}

/** What no answer may show: how it is made, where it stands, what it asks its database. */
const NEVER = [
  /\n\s+at .{0,80}:\d+/,
  /node_modules|node:internal|\.(?:ts|mjs|cjs|js):\d+/,
  /\/(?:root|home|tmp|usr|var)\/[\w.-]+/,
  /\b(?:SELECT .{1,80} FROM|INSERT INTO|DELETE FROM|UPDATE \w+ SET)\b/,
  /SQLSTATE|syntax error at|violates \w+ constraint|relation "|invalid input syntax|drizzle|postgres(?:ql)?:/i,
  /FST_ERR|ERR_[A-Z_]{4,}|ECONN[A-Z]+|\[object \w+\]/,
  /\$2[aby]\$\d\d|pbkdf2_sha256\$|argon2/,
]

/** All that a request brings, in the letters in which it could come back. */
export function broughtBy({ target, headers, body }: FuzzRequest): string {
  return [decoded(target), JSON.stringify(headers), decoded(String(body ?? ''))].join('\n')
}

/**
 * What is wrong with the answer, or nothing.
 * @param secrets stand in no answer but to who sent them
 * @param brought what this account has sent so far, some of which it may get back
 */
export function faultOf(
  sent: FuzzRequest,
  answer: RawAnswer,
  secrets: readonly string[],
  brought: readonly string[] = [broughtBy(sent)],
): string | undefined {
  const { status, headers, text, ms } = answer
  if (ms > WITHIN_MS) return `answered after ${Math.round(ms)} ms`
  if (status >= 500 && status !== 503) return `status ${status}`
  if ((status === 503 || status === 429) && !/^\d+$/.test(headers['retry-after'] ?? ''))
    return `${status} without Retry-After`
  if (status === 401 && headers['www-authenticate'] === undefined) return '401 without WWW-Authenticate'
  if (status === 405 && headers.allow === undefined) return '405 without Allow'
  if (!/^[\w-]{36}$/.test(String(headers['x-request-id']))) return 'no request id of our own'
  if (sent.method !== 'GET' && headers['cache-control'] !== 'no-store')
    return 'an answer to a deed that may be kept'
  const told = `${JSON.stringify(headers)}\n${text}`
  return (status >= 400 ? wrongShape(sent, answer) : undefined) ?? leakIn(told, secrets, brought)
}

function leakIn(told: string, secrets: readonly string[], brought: readonly string[]): string | undefined {
  const found = NEVER.map((each) => each.exec(told)?.[0]).filter((each) => each !== undefined)
  const leak = [...found, ...secrets.filter((each) => told.includes(each))].find((each) => {
    const escaped = JSON.stringify(each).slice(1, -1)
    return !brought.some((text) => text.includes(each) || text.includes(escaped))
  })
  return leak && `the answer shows ${leak}`
}

function decoded(text: string): string {
  try {
    return `${text}\n${decodeURIComponent(text.replaceAll('+', ' '))}`
  } catch {
    return text
  }
}

const PROBLEM = ['type', 'title', 'status', 'detail', 'code', 'request_id']
const OAUTH = /^\/(?:token|introspect|revoke|\.well-known\/oauth-authorization-server)\b/
const DIALECTS = /^\/(?:authentication|api|auth|knox)\//

/** A refusal has the one shape of its contract: RFC 9457, RFC 6749 at its three paths, Django's under its prefixes. */
function wrongShape(
  { method, target }: FuzzRequest,
  { status, headers, text }: RawAnswer,
): string | undefined {
  if (method === 'HEAD') return undefined
  const type = headers['content-type'] ?? 'none'
  if (type.startsWith('text/html'))
    return text.startsWith('<!doctype html>') ? undefined : 'a refusal that is half a page'
  if (!/^application\/(?:problem\+)?json\b/.test(type)) return `a refusal of type ${type}`
  const body: Record<string, unknown> = JSON.parse(text)
  if (DIALECTS.test(target)) return Object.keys(body).length > 0 ? undefined : 'a refusal that says nothing'
  const isOAuth = typeof body['error'] === 'string' && typeof body['error_description'] === 'string'
  if (OAUTH.test(target) && isOAuth)
    return Object.keys(body).length === 2 ? undefined : `more in it: ${Object.keys(body)}`
  const missing = PROBLEM.filter((name) => !(name in body))
  if (missing.length > 0) return `a refusal without ${missing}`
  return body['status'] === status
    ? undefined
    : `a problem of status ${body['status']} in an answer ${status}`
}
