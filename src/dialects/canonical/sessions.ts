import { Type } from 'typebox'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf } from '../bearer.ts'
import type { RefreshCookie } from '../refresh-cookie.ts'
import { Success, withProblems } from './answers.ts'

const Sessions = Type.Object({
  sessions: Type.Array(
    Type.Object({
      id: Type.String({ format: 'uuid' }),
      label: Type.String({ description: 'The device, as its owner would name it' }),
      ip: Type.String({ description: 'Its address when it signed in' }),
      user_agent: Type.String(),
      created_at: Type.String({ format: 'date-time' }),
      last_used_at: Type.String({ format: 'date-time', description: 'When it was last refreshed' }),
      current: Type.Boolean({ description: 'Whether this very request comes from it' }),
    }),
  ),
})

export const listSessionsAction = action({
  guard: 'access_token',
  summary: 'Where you are signed in: your live sessions, the one used last first, up to 100.',
  answers: withProblems({ 200: Sessions }),
  async handle(request, reply) {
    const claims = claimsOf(request)
    const sessions = await request.server.auth.listSessions(claims)
    reply.header('cache-control', 'no-store')
    return {
      sessions: sessions.map(({ id, label, ip, userAgent, createdAt, lastUsedAt }) => ({
        id,
        label,
        ip,
        user_agent: userAgent,
        created_at: new Date(createdAt).toISOString(),
        last_used_at: new Date(lastUsedAt).toISOString(),
        current: id === claims.sid,
      })),
    }
  },
})

export function endSessionAction(cookie: RefreshCookie | undefined) {
  return action({
    guard: 'access_token',
    summary: 'End one of your sessions.',
    description: 'Anything but a live session of yours is 404: which, is not told.',
    params: Type.Object({ id: Type.String({ maxLength: 128 }) }),
    answers: withProblems({ 200: Success }),
    async handle(request, reply) {
      const claims = claimsOf(request)
      const { id } = request.params
      await request.server.auth.endOwnSession(claims, id, callerOf(request))
      if (id.toLowerCase() === claims.sid) cookie?.clear(reply)
      reply.header('cache-control', 'no-store')
      return { success: true }
    },
  })
}
