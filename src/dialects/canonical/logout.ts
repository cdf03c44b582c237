import { Type } from 'typebox'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf, readToken } from '../bearer.ts'
import type { RefreshCookie } from '../refresh-cookie.ts'
import { Success, withProblems } from './answers.ts'

const Body = Type.Object(
  {
    refresh: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 512,
        description: 'Instead of an access token, which may have expired',
      }),
    ),
  },
  { additionalProperties: false },
)

const NoBody = Type.Object({}, { additionalProperties: false })

export function logoutAction(cookie: RefreshCookie | undefined) {
  return action({
    guard: 'open',
    summary: 'End this session.',
    description:
      `By the access token in the header, or by the refresh token in the ${cookie === undefined ? 'body' : 'cookie'}.` +
      ' A refresh token that names no living session is answered the same (RFC 7009).',
    body: cookie === undefined ? Body : NoBody,
    answers: withProblems({ 200: Success }),
    async handle(request, reply) {
      const refresh = cookie === undefined ? request.body.refresh : cookie.read(request)
      const tokens = { access: readToken(request, 'Bearer'), refresh }
      await request.server.auth.logOut(tokens, callerOf(request))
      cookie?.clear(reply)
      reply.header('cache-control', 'no-store')
      return { success: true }
    },
  })
}

export function logoutAllAction(cookie: RefreshCookie | undefined) {
  return action({
    guard: 'access_token',
    summary: 'End every session of this account.',
    answers: withProblems({ 200: Type.Object({ success: Type.Literal(true), sessions: Type.Integer() }) }),
    async handle(request, reply) {
      const sessions = await request.server.auth.logOutEverywhere(claimsOf(request), callerOf(request))
      cookie?.clear(reply)
      reply.header('cache-control', 'no-store')
      return { success: true, sessions }
    },
  })
}
