import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { TokenAnswer, tokenAnswer, withProblems } from './answers.ts'

const Body = Type.Object(
  { refresh: Type.String({ minLength: 1, maxLength: 512 }) },
  { additionalProperties: false },
)

export const refreshAction = action({
  guard: 'refresh',
  summary: 'Exchange a refresh token for new tokens.',
  description:
    'Each refresh gives another refresh token: store it before you use it. If no answer comes, send the same request' +
    ' again, with the same Idempotency-Key (16 to 128 characters, new for every refresh). The header Keyturn-Refresh' +
    ' of the answer says rotated, replayed, lost-answer, healed or kept.',
  body: Body,
  answers: withProblems({ 200: TokenAnswer }),
  async handle(request, reply) {
    const refreshed = await request.server.auth.refresh(
      { token: request.body.refresh, idempotencyKey: idempotencyKeyOf(request.headers['idempotency-key']) },
      callerOf(request),
    )
    reply.header('keyturn-refresh', refreshed.outcome)
    return tokenAnswer(reply, refreshed)
  },
})

/** Node joins a header that came twice with a comma, and makes a list of some: neither is one key. */
function idempotencyKeyOf(header: string | string[] | undefined): string | undefined {
  if (Array.isArray(header)) {
    throw new AuthError('validation_failed', { fields: { 'Idempotency-Key': ['Send this header once.'] } })
  }
  return header
}
