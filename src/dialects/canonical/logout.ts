import type { FastifyReply, FastifyRequest } from 'fastify'
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
  const shared = {
    guard: 'open',
    summary: 'End this session.',
    answers: withProblems({ 200: Success }),
  } as const
  const asked = (where: string) =>
    `By the refresh token in the ${where}, or else by the access token in the header. A refresh token that names no living` +
    ' session is answered the same (RFC 7009).'

  async function end(request: FastifyRequest, reply: FastifyReply, refresh: string | undefined) {
    const access = refresh === undefined ? readToken(request, 'Bearer') : undefined
    await request.server.auth.logOut({ access, refresh }, callerOf(request))
    cookie?.clear(reply)
    reply.header('cache-control', 'no-store')
    return { success: true }
  }

  return cookie === undefined
    ? action({
        ...shared,
        description: asked('body'),
        body: Body,
        handle: (request, reply) => end(request, reply, request.body.refresh),
      })
    : action({
        ...shared,
        description: asked('cookie'),
        body: NoBody,
        handle: (request, reply) => end(request, reply, cookie.read(request)),
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
