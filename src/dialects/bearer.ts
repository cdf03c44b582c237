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

/**
 * The token of the Authorization header; `undefined` where there is none of this scheme. Whether it is one token and
 * a good one, its verification tells: a pattern that went through each would take as long as all the rest.
 * @throws AuthError `invalid_token` for a header of the scheme that holds nothing else
 */
export function readToken(request: FastifyRequest, scheme: TokenScheme): string | undefined {
  const header = request.headers.authorization
  if (header === undefined) return undefined
  const end = header.indexOf(' ')
  const named = end === -1 ? header : header.slice(0, end)
  if (named.length !== scheme.length || named.toLowerCase() !== scheme.toLowerCase()) return undefined
  if (end === -1) throw new AuthError('invalid_token')
  return header.slice(end + 1)
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
