import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { idempotencyKeyOf } from '../idempotency-key.ts'
import type { RefreshCookie } from '../refresh-cookie.ts'
import { refreshHeaders } from '../refresh-headers.ts'
import { tokenAnswers, withProblems } from './answers.ts'
import { audienceField, audiencesIn } from './audience.ts'

const bodyWith = (audiences: readonly string[]) =>
  Type.Object(
    { refresh: Type.String({ minLength: 1, maxLength: 512 }), ...audienceField(audiences) },
    { additionalProperties: false },
  )
const bodyWithout = (audiences: readonly string[]) =>
  Type.Object({ ...audienceField(audiences) }, { additionalProperties: false })

const Headers = Type.Object({
  'Idempotency-Key': Type.Optional(
    Type.String({
      description:
        '16 to 128 printable ASCII characters without spaces, new for every refresh, such as a UUID',
      examples: ['8e03978e-40d5-43dd-bc93-6894a57f9324'],
    }),
  ),
})

const RETRY =
  ' If no answer comes, send the same request again, with the same Idempotency-Key. The header Keyturn-Refresh of the answer says rotated, replayed, lost-answer, healed or kept.'

export function refreshAction(cookie: RefreshCookie | undefined, audiences: readonly string[]) {
  const { schema, answer } = tokenAnswers(cookie)
  const shared = {
    guard: 'refresh',
    summary: 'Exchange a refresh token for new tokens.',
    headers: Headers,
    answers: withProblems({ 200: schema }),
  } as const

  async function exchange(request: FastifyRequest, reply: FastifyReply, token: string | undefined) {
    if (token === undefined) throw new AuthError('refresh_invalid')
    const refreshed = await request.server.auth.refresh(
      { token, idempotencyKey: idempotencyKeyOf(request), audiences: audiencesIn(request.body) },
      callerOf(request),
    )
    reply.headers(refreshHeaders(refreshed))
    return answer(reply, refreshed)
  }

  return cookie === undefined
    ? action({
        ...shared,
        description: `Each refresh gives another refresh token: store it before you use it.${RETRY}`,
        body: bodyWith(audiences),
        handle: (request, reply) => exchange(request, reply, request.body.refresh),
      })
    : action({
        ...shared,
        description: `The refresh token travels in a cookie, and only pages of an allowed Origin may have it sent.${RETRY}`,
        body: bodyWithout(audiences),
        handle: (request, reply) => exchange(request, reply, cookie.read(request)),
      })
}
