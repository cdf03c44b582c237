import { Type } from 'typebox'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf } from '../bearer.ts'
import { AccountAnswer, accountAnswer, withProblems } from './answers.ts'

const UserAnswer = Type.Intersect([
  Type.Object({
    id: Type.Integer(),
    email_verified: Type.Boolean(),
    roles: Type.Array(Type.String()),
    date_joined: Type.String({ format: 'date-time' }),
    last_login: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
  }),
  AccountAnswer,
])

export const userAction = action({
  guard: 'access_token',
  summary: 'Your own account, as it is now.',
  answers: withProblems({ 200: UserAnswer }),
  async handle(request, reply) {
    const account = await request.server.auth.findAccount(claimsOf(request))
    reply.header('cache-control', 'no-store')
    return {
      id: account.id,
      ...accountAnswer(account),
      email_verified: account.emailVerified,
      roles: account.roles,
      date_joined: new Date(account.createdAt).toISOString(),
      last_login: account.lastLoginAt === undefined ? null : new Date(account.lastLoginAt).toISOString(),
    }
  },
})
