import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import type { Account } from '../../core/ports.ts'
import { accountDeletedPage } from '../../pages/account.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf } from '../bearer.ts'
import type { RefreshCookie } from '../refresh-cookie.ts'
import { AccountAnswer, accountAnswer, Success, withProblems } from './answers.ts'
import { asksForPage } from './forms.ts'

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
  handle: async (request, reply) =>
    userAnswer(reply, await request.server.auth.findAccount(claimsOf(request))),
})

const EditBody = Type.Object(
  {
    username: Type.Optional(Type.String({ maxLength: 400, description: 'Letters, digits and @ . + - _' })),
    first_name: Type.Optional(Type.String({ maxLength: 400 })),
    last_name: Type.Optional(Type.String({ maxLength: 400 })),
  },
  {
    additionalProperties: Type.Union([Type.String(), Type.Number(), Type.Boolean()]),
    description: 'Any further field belongs to the profile.',
  },
)

/** Fields that people look for here, and where they are changed. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  email: 'The address is changed at /change-email.',
  password: 'The password is changed at /change-password.',
}

/** PUT puts these profile fields in place of all others, PATCH beside them. */
export function editUserAction(method: 'PUT' | 'PATCH') {
  const replaceProfile = method === 'PUT'
  return action({
    guard: 'access_token',
    summary: replaceProfile
      ? 'Change your names, and replace your profile.'
      : 'Change your names, or single fields of your profile.',
    description:
      `Names that are left out stay as they are; profile fields that are left out ${replaceProfile ? 'are removed' : 'stay too'}.` +
      ' Address and password have endpoints of their own. Access tokens show the change from the next refresh on.',
    body: EditBody,
    takesProfile: true,
    answers: withProblems({ 200: UserAnswer }),
    async handle(request, reply) {
      refuseElsewhere(request.body)
      const { username, first_name: firstName, last_name: lastName, ...profile } = request.body
      const edit = { username, firstName, lastName, profile, replaceProfile }
      return userAnswer(
        reply,
        await request.server.auth.updateAccount(claimsOf(request), edit, callerOf(request)),
      )
    },
  })
}

export function deleteUserAction(cookie: RefreshCookie | undefined) {
  return action({
    guard: 'access_token',
    summary: 'Delete your account, with all that is known about you.',
    description:
      'Every session ends, and the user name and the address are free at once. A wrong password is 403' +
      ' wrong_password and counts as a failed sign-in. What remains is a record of events that names nobody.',
    body: Type.Object(
      { password: Type.String({ minLength: 1, maxLength: 1024 }) },
      { additionalProperties: false },
    ),
    answers: withProblems({ 200: Success }),
    async handle(request, reply) {
      await request.server.auth.deleteAccount(claimsOf(request), request.body.password, callerOf(request))
      cookie?.clear(reply)
      reply.header('cache-control', 'no-store')
      return asksForPage(request) ? reply.sendPage(accountDeletedPage()) : { success: true }
    },
  })
}

function refuseElsewhere(body: object): void {
  const fields = Object.entries(ELSEWHERE).flatMap(([name, message]) =>
    name in body ? [[name, [message]]] : [],
  )
  if (fields.length > 0) throw new AuthError('validation_failed', { fields: Object.fromEntries(fields) })
}

function userAnswer(reply: FastifyReply, account: Account) {
  reply.header('cache-control', 'no-store')
  return {
    id: account.id,
    ...accountAnswer(account),
    email_verified: account.emailVerified,
    roles: account.roles,
    date_joined: new Date(account.createdAt).toISOString(),
    last_login: account.lastLoginAt === undefined ? null : new Date(account.lastLoginAt).toISOString(),
  }
}
