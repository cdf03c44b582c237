import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import { callerOf } from '../../plugins/caller.ts'
import { idempotencyKeyOf } from '../idempotency-key.ts'
import type { RefreshCookie } from '../refresh-cookie.ts'
import { refreshHeaders } from '../refresh-headers.ts'
import { sendOAuthError } from './errors.ts'

const GRANT = 'refresh_token'

/** What a client of OAuth sends to the token endpoint; what else it sends is ignored (RFC 6749, 3.2). */
export const grantFields = {
  grant_type: Type.Optional(
    Type.String({ maxLength: 64, description: `${GRANT}, for clients that speak OAuth 2.0; nothing else` }),
  ),
  refresh_token: Type.Optional(Type.String({ maxLength: 4096, description: 'With grant_type' })),
  client_id: Type.Optional(
    Type.String({
      maxLength: 256,
      description: 'With grant_type, and without meaning: clients are not registered',
    }),
  ),
  client_secret: Type.Optional(
    Type.String({ maxLength: 512, description: 'Refused: a service sends its secret by HTTP Basic' }),
  ),
  scope: Type.Optional(Type.String({ maxLength: 1024, description: 'Refused unless empty: there are none' })),
}

/** The fields of a grant, as they passed the schema. */
export interface Grant {
  readonly grant_type?: string
  readonly refresh_token?: string
  readonly client_secret?: string
  readonly scope?: string
}

/** `grant_type=refresh_token` (RFC 6749, 6): the verb of `/refresh` in the names of OAuth. */
export async function grantTokens(
  request: FastifyRequest,
  reply: FastifyReply,
  grant: Grant,
  cookie: RefreshCookie | undefined,
): Promise<FastifyReply> {
  const { headers, server } = request
  // Public clients send nothing; whoever sends credentials is held to them.
  if (/^basic /i.test(headers.authorization ?? '')) server.serviceClients.check(request)
  if (grant.client_secret !== undefined)
    return sendOAuthError(reply, 401, 'invalid_client', 'Send the secret by HTTP Basic, or none at all.')
  if (grant.grant_type !== GRANT || cookie !== undefined) {
    const words =
      cookie === undefined
        ? `Send grant_type=${GRANT}; to sign in, send username and password without a grant_type.`
        : 'There is no grant here: the refresh token travels in a cookie. POST it to /refresh.'
    return sendOAuthError(reply, 400, 'unsupported_grant_type', words)
  }
  if (grant.scope)
    return sendOAuthError(reply, 400, 'invalid_scope', 'There are no scopes here. Leave scope out.')
  const { refresh_token: token } = grant
  if (!token) {
    throw new AuthError('validation_failed', { fields: { refresh_token: ['This field is required.'] } })
  }
  const refreshed = await server.auth.refresh(
    { token, idempotencyKey: idempotencyKeyOf(request), audiences: [] },
    callerOf(request),
  )
  return reply
    .headers({ 'cache-control': 'no-store', pragma: 'no-cache', ...refreshHeaders(refreshed) })
    .serializer(JSON.stringify)
    .type('application/json; charset=utf-8')
    .send({
      access_token: refreshed.access,
      token_type: 'Bearer',
      expires_in: refreshed.expiresIn,
      refresh_token: refreshed.refresh,
      refresh_expires_in: refreshed.refreshExpiresIn,
    })
}
