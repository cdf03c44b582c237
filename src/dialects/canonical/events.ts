import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import { EVENTS_PER_PAGE_MAX } from '../../core/own-records.ts'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf } from '../bearer.ts'
import { withProblems } from './answers.ts'

const Events = Type.Object({
  events: Type.Array(
    Type.Object({
      id: Type.String({ format: 'uuid' }),
      at: Type.String({ format: 'date-time' }),
      kind: Type.String({ description: 'Such as login, login_failed, password_changed, refresh_theft' }),
      session_id: Type.Union([Type.String({ format: 'uuid' }), Type.Null()]),
      ip: Type.String(),
      user_agent: Type.String(),
      reason: Type.Union([Type.String(), Type.Null()], { description: 'A code, where there is more to say' }),
    }),
  ),
  next: Type.Union([Type.String({ format: 'uuid' }), Type.Null()], {
    description: 'Send it as `before` to have the next page; null on the last one',
  }),
})

const PER_PAGE = 50

export const listEventsAction = action({
  guard: 'access_token',
  summary: 'What happened to your account, newest first.',
  query: Type.Object({
    before: Type.Optional(Type.String({ description: 'The id of an event: only older ones are listed' })),
    limit: Type.Optional(
      Type.String({ description: `How many, from 1 to ${EVENTS_PER_PAGE_MAX}; ${PER_PAGE} if left out` }),
    ),
  }),
  answers: withProblems({ 200: Events }),
  async handle(request, reply) {
    const { before, limit } = request.query
    const page = { before: idOf(before), most: limitOf(limit) }
    const { events, isLast } = await request.server.auth.listEvents(claimsOf(request), page)
    reply.header('cache-control', 'no-store')
    return {
      events: events.map(({ id, at, kind, sessionId = null, ip, userAgent, reason = null }) => ({
        id,
        at: new Date(at).toISOString(),
        kind,
        session_id: sessionId,
        ip,
        user_agent: userAgent,
        reason,
      })),
      next: isLast ? null : (events.at(-1)?.id ?? null),
    }
  },
})

/** A query is text and is never converted unasked. */
function limitOf(text: string | undefined): number {
  if (text === undefined) return PER_PAGE
  const limit = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : 0
  if (limit >= 1 && limit <= EVENTS_PER_PAGE_MAX) return limit
  const message = `Send a whole number from 1 to ${EVENTS_PER_PAGE_MAX}.`
  throw new AuthError('validation_failed', { fields: { limit: [message] } })
}

function idOf(text: string | undefined): string | undefined {
  if (text === undefined || /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text)) return text
  const message = 'Send the id of an event, as the page before gave it in "next".'
  throw new AuthError('validation_failed', { fields: { before: [message] } })
}
