import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { callerOf } from '../plugins/caller.ts'
import { action } from '../plugins/endpoint.ts'
import { readToken } from './bearer.ts'
import type { Dialect } from './dialect.ts'
import {
  ACCOUNT_FIELDS,
  accountFields,
  Email,
  fields,
  firstGrant,
  Name,
  Password,
  trimmed,
  Username,
  withRefusals,
} from './drf/fields.ts'
import type { Tongue } from './drf/speak.ts'
import { refuseAsDrf, speakDrf } from './drf/speak.ts'
import { DRF_WORDS, refusedSignIn } from './drf/words.ts'

const TONGUE: Tongue = {
  name: 'authtoken',
  tag: 'authtoken: Django REST Framework tokens',
  scheme: 'Token',
  challenge: 'Token',
  words: {
    ...DRF_WORDS,
    ...refusedSignIn({ status: 400, body: { error: 'Invalid username or password' } }),
  },
}

/** The contract of a client with one Django REST Framework token. */
export function createAuthtoken({ ttlSeconds }: { readonly ttlSeconds: number }): Dialect {
  const terms = { ttlSeconds, singleToken: true }

  const register = action({
    guard: 'register',
    summary: 'Create an account, and be signed in to it.',
    body: fields({
      username: Username,
      email: Email,
      password: Password,
      first_name: Type.Optional(Name),
      last_name: Type.Optional(Name),
    }),
    answers: withRefusals({
      201: Type.Object({
        ...ACCOUNT_FIELDS,
        token: Type.String(),
      }),
    }),
    async handle(request, reply) {
      const { username, email, password, first_name = '', last_name = '' } = request.body
      const input = {
        username: trimmed('username', username),
        email: trimmed('email', email),
        password,
        firstName: first_name.trim(),
        lastName: last_name.trim(),
        profile: {},
      }
      const { account, grant } = await request.server.auth.register(input, callerOf(request), {
        session: terms,
      })
      reply.code(201)
      return { ...accountFields(account), token: firstGrant(grant).access }
    },
  })

  const login = action({
    guard: 'login',
    summary: 'Sign in. Tokens in the hands of other devices stay good.',
    body: fields({ username: Username, password: Password }),
    answers: withRefusals({
      200: Type.Object({
        token: Type.String(),
        user: Type.Object({ id: Type.Integer(), username: Type.String(), email: Type.String() }),
      }),
    }),
    async handle(request) {
      const { username, password } = request.body
      const credentials = { username: trimmed('username', username), password }
      const { access, account } = await request.server.auth.logIn(credentials, callerOf(request), terms)
      return {
        token: access,
        user: { id: account.id, username: account.username, email: account.email },
      }
    },
  })

  const logout = action({
    guard: 'access_token',
    summary: 'Sign out: this token is refused from now on.',
    answers: withRefusals({ 200: Type.Object({ detail: Type.String() }) }),
    async handle(request) {
      const tokens = { access: readToken(request, 'Token'), refresh: undefined }
      await request.server.auth.logOut(tokens, callerOf(request))
      return { detail: 'Successfully logged out.' }
    },
  })

  return {
    name: TONGUE.name,
    accessTtlSeconds: ttlSeconds,
    refuse: () => refuseAsDrf(TONGUE),
    mount(app: FastifyInstance) {
      const add = speakDrf(app, TONGUE)
      add('/register', 'Register', { POST: register })
      add('/login', 'Login', { POST: login })
      add('/logout', 'Logout', { POST: logout })
    },
  }
}
