import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import type { RefreshCookie } from '../refresh-cookie.ts'
import { tokenAnswers, withProblems } from './answers.ts'

const Body = Type.Object(
  { refresh: Type.String({ minLength: 1, maxLength: 512 }) },
  { additionalProperties: false },
)
const NoBody = Type.Object({}, { additionalProperties: false })

export function refreshAction(cookie: RefreshCookie | undefined) {
  const { schema, answer } = tokenAnswers(cookie)
  return action({
    guard: 'refresh',
    summary: 'Exchange a refresh token for new tokens.',
    description:
      (cookie === undefined
        ? 'Each refresh gives another refresh token: store it before you use it.'
        : 'The refresh token travels in a cookie, and only pages of an allowed Origin may have it sent.') +
      ' If no answer comes, send the same request again, with the same Idempotency-Key (16 to 128 characters, new for' +
      ' every refresh). The header Keyturn-Refresh of the answer says rotated, replayed, lost-answer, healed or kept.',
    body: cookie === undefined ? Body : NoBody,
    answers: withProblems({ 200: schema }),
    async handle(request, reply) {
      const token = cookie === undefined ? request.body.refresh : cookie.read(request)
      if (token === undefined) throw new AuthError('refresh_invalid')
      const refreshed = await request.server.auth.refresh(
        { token, idempotencyKey: idempotencyKeyOf(request.headers['idempotency-key']) },
        callerOf(request),
      )
      reply.header('keyturn-refresh', refreshed.outcome)
      return answer(reply, refreshed)
    },
  })
}

/** Node joins a header that came twice with a comma, and makes a list of some: neither is one key. */
function idempotencyKeyOf(header: string | string[] | undefined): string | undefined {
  if (Array.isArray(header)) {
    throw new AuthError('validation_failed', { fields: { 'Idempotency-Key': ['Send this header once.'] } })
  }
  return header
}
