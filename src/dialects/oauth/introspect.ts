import { Type } from 'typebox'
import type { Introspection } from '../../core/introspect.ts'
import { action } from '../../plugins/endpoint.ts'
import { OAuthError } from './errors.ts'

/** RFC 7662, 2.1 and RFC 7009, 2.1. What else is sent is ignored, as is the hint: a token tells itself what it is. */
export const TokenBody = Type.Object({
  token: Type.String({ minLength: 1, maxLength: 4096 }),
  token_type_hint: Type.Optional(Type.String({ maxLength: 64, description: 'Not needed' })),
})

const Inactive = Type.Object({ active: Type.Literal(false) })
const Active = Type.Object({
  active: Type.Literal(true),
  token_type: Type.Optional(Type.Literal('Bearer', { description: 'Of access tokens only' })),
  iss: Type.String(),
  aud: Type.Optional(Type.String()),
  sub: Type.String({ description: 'The id of the user' }),
  username: Type.Optional(Type.String()),
  iat: Type.Optional(Type.Integer()),
  exp: Type.Integer({ description: 'Seconds since 1970' }),
  jti: Type.Optional(Type.String()),
  sid: Type.String({ description: 'The session, as /revocations names it' }),
  roles: Type.Optional(Type.Array(Type.String())),
})

export function introspectAction(issuer: string) {
  return action({
    guard: 'service',
    summary: 'Whether a token is alive, and whose it is (RFC 7662).',
    description:
      'Access and refresh tokens, as the database has them at this moment. A token that is not alive is `{"active":false}` and' +
      ' nothing more. A refresh token that was used is not alive, also while a late retry with it would still be answered.' +
      ' Asking changes nothing.',
    body: TokenBody,
    answers: { 200: Type.Union([Active, Inactive]), 400: OAuthError, 401: OAuthError, 503: OAuthError },
    async handle(request, reply) {
      const found = await request.server.auth.introspect(request.body.token)
      reply.headers({ 'cache-control': 'no-store', pragma: 'no-cache' }).serializer(JSON.stringify)
      return reply
        .type('application/json; charset=utf-8')
        .send(found === undefined ? { active: false } : { active: true, ...told(found, issuer) })
    },
  })
}

/** Of an access token what its holder can read in it; of a refresh token, which says nothing, no more than is needed. */
function told(found: Introspection, issuer: string): object {
  if (found.kind === 'refresh') {
    const { userId, sessionId, endsAt } = found
    return { iss: issuer, sub: String(userId), exp: Math.floor(endsAt / 1000), sid: sessionId }
  }
  const { iss, aud, sub, username, iat, exp, jti, sid, roles } = found.claims
  return { token_type: 'Bearer', iss, aud, sub, username, iat, exp, jti, sid, roles }
}
