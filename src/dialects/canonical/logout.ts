import { Type } from 'typebox'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf, readToken } from '../bearer.ts'
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

export const logoutAction = action({
  guard: 'open',
  summary: 'End this session.',
  description:
    'By the refresh token in the body, or else by the access token in the header. A refresh token that names no living' +
    ' session is answered the same (RFC 7009).',
  body: Body,
  answers: withProblems({ 200: Success }),
  async handle(request, reply) {
    const { refresh } = request.body
    const tokens = { access: refresh === undefined ? readToken(request, 'Bearer') : undefined, refresh }
    await request.server.auth.logOut(tokens, callerOf(request))
    reply.header('cache-control', 'no-store')
    return { success: true }
  },
})

export const logoutAllAction = action({
  guard: 'access_token',
  summary: 'End every session of this account.',
  answers: withProblems({ 200: Type.Object({ success: Type.Literal(true), sessions: Type.Integer() }) }),
  async handle(request, reply) {
    const sessions = await request.server.auth.logOutEverywhere(claimsOf(request), callerOf(request))
    reply.header('cache-control', 'no-store')
    return { success: true, sessions }
  },
})
