import { Type } from 'typebox'
import type { Account } from '../../core/ports.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf } from '../bearer.ts'
import { fields, Name, Password, trimmed, Username, withRefusals } from '../drf/fields.ts'
import { microseconds } from './sessions.ts'

const UserAnswer = Type.Object({
  username: Type.String(),
  first_name: Type.String(),
  last_name: Type.String(),
  date_joined: Type.String({ format: 'date-time' }),
  last_login: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
})

function userAnswer({ username, firstName, lastName, createdAt, lastLoginAt }: Account) {
  return {
    username,
    first_name: firstName,
    last_name: lastName,
    date_joined: microseconds(createdAt),
    last_login: lastLoginAt === undefined ? null : microseconds(lastLoginAt),
  }
}

export const userAction = action({
  guard: 'access_token',
  summary: 'Your own account, as it is now.',
  answers: withRefusals({ 200: UserAnswer }),
  handle: async (request) => userAnswer(await request.server.auth.findAccount(claimsOf(request))),
})

export const editUserAction = action({
  guard: 'access_token',
  summary: 'Change your account: any of these fields.',
  description:
    'A new password ends every other session. A new address waits for the link in the letter that goes there.',
  body: fields({
    username: Type.Optional(Username),
    first_name: Type.Optional(Name),
    last_name: Type.Optional(Name),
    password: Type.Optional(Password),
    email: Type.Optional(Type.String({ maxLength: 400 })),
  }),
  answers: withRefusals({ 200: UserAnswer }),
  async handle(request) {
    const { username, first_name: firstName, last_name: lastName, password, email } = request.body
    const change = {
      username: username && trimmed('username', username),
      firstName: firstName?.trim(),
      lastName: lastName?.trim(),
      password,
      email: email?.trim(),
      profile: {},
      replaceProfile: false,
    }
    const { auth } = request.server
    return userAnswer(await auth.overwriteAccount(claimsOf(request), change, callerOf(request)))
  },
})

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' }
const Document = Type.Unsafe<string>({ description: 'Any JSON text' })

export const saveWidgetsAction = action({
  guard: 'access_token',
  summary: 'Keep a JSON document for this account, in place of the one before.',
  body: Document,
  documentMaxBytes: 65_536,
  answers: withRefusals({ 201: Document }),
  async handle(request, reply) {
    await request.server.auth.saveWidgets(claimsOf(request), request.body)
    return reply.code(201).headers(JSON_TYPE).send(Buffer.from(request.body, 'utf8'))
  },
})

export const loadWidgetsAction = action({
  guard: 'access_token',
  summary: 'The JSON document of this account, to the byte as it was saved; an empty object before that.',
  answers: withRefusals({ 200: Document }),
  async handle(request, reply) {
    const document = (await request.server.auth.loadWidgets(claimsOf(request))) ?? '{}'
    return reply.headers(JSON_TYPE).send(Buffer.from(document, 'utf8'))
  },
})
