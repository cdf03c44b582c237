import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { idempotencyKeyOf } from '../idempotency-key.ts'
import type { RefreshCookie } from '../refresh-cookie.ts'
import { tokenAnswers, withProblems } from './answers.ts'

const Body = Type.Object(
  { refresh: Type.String({ minLength: 1, maxLength: 512 }) },
  { additionalProperties: false },
)
const NoBody = Type.Object({}, { additionalProperties: false })

const RETRY =
  ' If no answer comes, send the same request again, with the same Idempotency-Key (16 to 128 characters, new for' +
  ' every refresh). The header Keyturn-Refresh of the answer says rotated, replayed, lost-answer, healed or kept.'

export function refreshAction(cookie: RefreshCookie | undefined) {
  const { schema, answer } = tokenAnswers(cookie)
  const shared = {
    guard: 'refresh',
    summary: 'Exchange a refresh token for new tokens.',
    answers: withProblems({ 200: schema }),
  } as const

  async function exchange(request: FastifyRequest, reply: FastifyReply, token: string | undefined) {
    if (token === undefined) throw new AuthError('refresh_invalid')
    const refreshed = await request.server.auth.refresh(
      { token, idempotencyKey: idempotencyKeyOf(request) },
      callerOf(request),
    )
    reply.header('keyturn-refresh', refreshed.outcome)
    return answer(reply, refreshed)
  }

  return cookie === undefined
    ? action({
        ...shared,
        description: `Each refresh gives another refresh token: store it before you use it.${RETRY}`,
        body: Body,
        handle: (request, reply) => exchange(request, reply, request.body.refresh),
      })
    : action({
        ...shared,
        description: `The refresh token travels in a cookie, and only pages of an allowed Origin may have it sent.${RETRY}`,
        body: NoBody,
        handle: (request, reply) => exchange(request, reply, cookie.read(request)),
      })
}
