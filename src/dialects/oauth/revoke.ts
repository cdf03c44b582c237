import { Type } from 'typebox'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { OAuthError } from './errors.ts'
import { TokenBody } from './introspect.ts'

export const revokeAction = action({
  guard: 'service',
  summary: 'End the session of a token (RFC 7009).',
  description:
    'By an access or a refresh token; both kinds of the session are refused from then on. A token that is unknown, or over' +
    ' already, is answered 200 all the same. Apps sign out at `/logout`, which needs no credentials of a service.',
  body: TokenBody,
  answers: { 200: Type.Object({}), 400: OAuthError, 401: OAuthError, 503: OAuthError },
  async handle(request, reply) {
    await request.server.auth.revokeToken(request.body.token, callerOf(request))
    return reply.headers({ 'cache-control': 'no-store', pragma: 'no-cache' }).send({})
  },
})
