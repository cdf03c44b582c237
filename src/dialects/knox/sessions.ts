import { Type } from 'typebox'
import type { Grant, SessionTerms } from '../../core/grant.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf, readToken } from '../bearer.ts'
import { fields, firstGrant, Name, Password, trimmed, Username, withRefusals } from '../drf/fields.ts'

const TokenAnswer = Type.Object({
  expiry: Type.String({ format: 'date-time', description: 'UTC, with microseconds' }),
  token: Type.String(),
})

function tokenAnswer({ access, expiresAt }: Grant) {
  return { expiry: microseconds(expiresAt * 1000), token: access }
}

/** As Django REST Framework writes a moment: microseconds, of which a clock of milliseconds knows three digits. */
export function microseconds(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z')
}

/** Signing up, in and out. */
export function sessionActions(terms: SessionTerms) {
  const login = action({
    guard: 'login',
    summary: 'Sign in.',
    body: fields({ username: Username, password: Password }),
    answers: withRefusals({ 200: TokenAnswer }),
    async handle(request) {
      const { username, password } = request.body
      const credentials = { username: trimmed('username', username), password }
      return tokenAnswer(await request.server.auth.logIn(credentials, callerOf(request), terms))
    },
  })

  const register = action({
    guard: 'register',
    summary: 'Create an account without an address, and be signed in to it.',
    body: fields({
      username: Username,
      password: Password,
      first_name: Type.Optional(Name),
      last_name: Type.Optional(Name),
    }),
    answers: withRefusals({ 201: TokenAnswer }),
    async handle(request, reply) {
      const { username, password, first_name = '', last_name = '' } = request.body
      const input = {
        username: trimmed('username', username),
        email: undefined,
        password,
        firstName: first_name.trim(),
        lastName: last_name.trim(),
        profile: {},
      }
      const { grant } = await request.server.auth.register(input, callerOf(request), { session: terms })
      reply.code(201)
      return tokenAnswer(firstGrant(grant))
    },
  })

  const logout = action({
    guard: 'access_token',
    summary: 'Sign out: this token is refused from now on.',
    answers: withRefusals({ 200: Type.Object({}) }),
    async handle(request) {
      const tokens = { access: readToken(request, 'Token'), refresh: undefined }
      await request.server.auth.logOut(tokens, callerOf(request))
      return {}
    },
  })

  const logoutAll = action({
    guard: 'access_token',
    summary: 'Sign out everywhere.',
    answers: withRefusals({ 200: Type.Object({}) }),
    async handle(request) {
      await request.server.auth.logOutEverywhere(claimsOf(request), callerOf(request))
      return {}
    },
  })

  return { login, register, logout, logoutAll }
}
