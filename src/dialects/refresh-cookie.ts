import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import type { Grant } from '../core/grant.ts'
import { WireError } from '../plugins/refusal.ts'

/** The refresh token in a cookie, for web pages: script cannot read it, and no other site can have it sent. */
export interface RefreshCookie {
  /**
   * The token that the browser sent along.
   * @throws WireError `origin_refused` unless an allowed page sent it, `bad_request` where there are two
   */
  read(request: FastifyRequest): string | undefined
  set(reply: FastifyReply, grant: Pick<Grant, 'refresh' | 'refreshExpiresIn'>): void
  clear(reply: FastifyReply): void
  /** Refuses what another site has its visitors send, with a cookie or without; tells allowed pages that they may send it. */
  readonly watch: onRequestHookHandler
}

/** The prefix makes the browser refuse one that was set without TLS, or by a neighbouring host (RFC 6265bis, 4.1.3.2). */
const NAME = '__Host-keyturn_refresh'
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict'

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** @param origins those of the web pages that may send the cookie */
export function createRefreshCookie(origins: readonly string[]): RefreshCookie {
  const allowed = new Set(origins)

  function isFromAllowedPage({ headers }: FastifyRequest): boolean {
    return headers.origin !== undefined && allowed.has(headers.origin)
  }

  /** No browser leaves out the Origin of a POST; what has neither header is no web page. */
  function isFromStrangePage(request: FastifyRequest): boolean {
    const { origin, 'sec-fetch-site': site } = request.headers
    return (origin !== undefined || site === 'cross-site') && !isFromAllowedPage(request)
  }

  return {
    read(request) {
      const [token, second] = valuesOf(request.headers.cookie ?? '')
      if (token === undefined) return undefined
      if (!isFromAllowedPage(request)) throw new WireError('origin_refused')
      if (second !== undefined) {
        throw new WireError('bad_request', `The cookie ${NAME} came twice; only this service may set it.`)
      }
      return token
    },
    set(reply, { refresh, refreshExpiresIn }) {
      reply.header('set-cookie', `${NAME}=${refresh}; Max-Age=${refreshExpiresIn}; ${ATTRIBUTES}`)
    },
    clear(reply) {
      reply.header('set-cookie', `${NAME}=; Max-Age=0; ${ATTRIBUTES}`)
    },
    watch(request, reply, done) {
      if (reply.hasHeader('access-control-allow-origin'))
        reply.header('access-control-allow-credentials', 'true')
      // Our own pages send no Origin that could be known, for they send no referrer; what they ask for, a link proves.
      const isHarmless = SAFE_METHODS.has(request.method) || request.routeOptions.config.page === true
      done(isHarmless || !isFromStrangePage(request) ? undefined : new WireError('origin_refused'))
    },
  }
}

/** Every value that a Cookie header gives to our name (RFC 6265, 4.2.1): browsers send more than one where two were set. */
function valuesOf(header: string): string[] {
  return header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${NAME}=`))
    .map((pair) => pair.slice(NAME.length + 1))
}
