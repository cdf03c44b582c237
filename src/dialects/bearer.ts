import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import type { AccessClaims } from '../core/access-token.ts'
import { AuthError } from '../core/errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Of the access token, on routes guarded by `access_token`; elsewhere read it with `claimsOf`. */
    accessClaims: AccessClaims | null
  }
}

/** Where clients put their token: `Authorization: Bearer …` (RFC 6750), or Django's `Authorization: Token …`. */
export type TokenScheme = 'Bearer' | 'Token'

const FORMS = {
  Bearer: { scheme: /^bearer(?:\s|$)/i, credentials: /^bearer ([^\s,]+)$/i },
  Token: { scheme: /^token(?:\s|$)/i, credentials: /^token ([^\s,]+)$/i },
} as const satisfies Record<TokenScheme, unknown>

/**
 * The token of the Authorization header; `undefined` where there is none of this scheme.
 * @throws AuthError `invalid_token` for a header of the scheme that holds anything but one token
 */
export function readToken(request: FastifyRequest, scheme: TokenScheme): string | undefined {
  const header = request.headers.authorization
  const form = FORMS[scheme]
  if (header === undefined || !form.scheme.test(header)) return undefined
  const token = form.credentials.exec(header)?.[1]
  if (token === undefined) throw new AuthError('invalid_token')
  return token
}

/** Lets a request with a good access token through, with its claims; synchronous, for it is on every hot path. */
export function requireAccessToken(scheme: TokenScheme): onRequestHookHandler {
  return function (request, _reply, done) {
    try {
      request.accessClaims = this.auth.checkStatus(readToken(request, scheme))
      done()
    } catch (error) {
      done(error as Error)
    }
  }
}

/** The claims that `requireAccessToken` has let through. */
export function claimsOf(request: FastifyRequest): AccessClaims {
  if (request.accessClaims === null) throw new Error('this route is not guarded by access_token')
  return request.accessClaims
}
