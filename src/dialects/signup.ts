import { Type } from 'typebox'
import type { FieldErrors } from '../core/errors.ts'
import { callerOf } from '../plugins/caller.ts'
import { action } from '../plugins/endpoint.ts'
import type { Said, Wording } from '../plugins/refusal.ts'
import { readToken } from './bearer.ts'
import type { Dialect } from './dialect.ts'
import { fields, firstGrant, renaming, withRefusals } from './drf/fields.ts'
import type { Tongue } from './drf/speak.ts'
import { refuseAsDrf, speakDrf } from './drf/speak.ts'
import { DRF_WORDS, fieldsOf, refusedSignIn, throttled } from './drf/words.ts'

/** The one form of its answers; a form that was filled in wrongly is an answer like any other. */
function failed(status: number, errors: FieldErrors): Said {
  return { status, body: { errors, success: false, token: null } }
}

const inForm: Wording = (refusal, request) => failed(200, fieldsOf(refusal, request))
const BAD_LOGIN = failed(200, {
  __all__: ['Please enter a correct username and password. Note that both fields may be case-sensitive.'],
})

const TONGUE: Tongue = {
  name: 'signup',
  tag: 'signup: a sign-up form',
  scheme: 'Token',
  challenge: 'Token',
  words: {
    ...DRF_WORDS,
    validation_failed: inForm,
    ...refusedSignIn(BAD_LOGIN),
    registration_closed: failed(200, { __all__: ['Registration is closed.'] }),
    rate_limited: ({ retryAfterSeconds = 1 }) => failed(429, { __all__: [throttled(retryAfterSeconds)] }),
  },
}

/** Left out, or left empty: to a form of Django it is the same. */
const Field = Type.Optional(Type.String({ maxLength: 1024 }))
const Answer = Type.Object({
  errors: Type.Record(Type.String(), Type.Array(Type.String())),
  success: Type.Boolean(),
  token: Type.Union([Type.String(), Type.Null()]),
})

/** Fields that a form misses, each in the one sentence for it. */
function missing(values: Readonly<Record<string, string | undefined>>): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(values)
      .filter(([, value = '']) => value.trim() === '')
      .map(([field]) => [field, ['This field is required.']]),
  )
}

/** The contract of a client that posts a form of Django, and reads three keys whatever comes of it. */
export function createSignup({ ttlSeconds }: { readonly ttlSeconds: number }): Dialect {
  const terms = { ttlSeconds, singleToken: true }

  const signUp = action({
    guard: 'register',
    summary: 'Create an account, and be signed in to it. Always 200: read success.',
    body: fields({
      username: Field,
      password1: Field,
      password2: Field,
      email: Field,
      accept_tos: Type.Optional(Type.Union([Type.Boolean(), Type.String()])),
    }),
    answers: withRefusals({ 200: Answer }),
    async handle(request) {
      const { username = '', email = '', password1 = '', password2 = '', accept_tos } = request.body
      const faults = missing({ username, email, password1, password2, accept_tos: accepted(accept_tos) })
      if (password1 !== password2 && password2 !== '') {
        faults['password2'] = ["The two password fields didn't match."]
      }
      const { password1: password, ...rest } = faults
      const input = { username: username.trim(), email: email.trim(), password: password1 }
      const { grant } = await renaming(
        request.server.auth.register(
          { ...input, firstName: '', lastName: '', profile: {} },
          callerOf(request),
          { session: terms, faults: { ...rest, ...(password && { password }) } },
        ),
        { password: 'password1' },
      )
      return { errors: {}, success: true, token: firstGrant(grant).access }
    },
  })

  const login = action({
    guard: 'login',
    summary: 'Sign in. Always 200: read success.',
    body: fields({ username: Field, password: Field }),
    answers: withRefusals({ 200: Answer }),
    async handle(request, reply) {
      const { username = '', password = '' } = request.body
      const errors = missing({ username, password })
      if (Object.keys(errors).length > 0) return reply.send({ errors, success: false, token: null })
      const credentials = { username: username.trim(), password }
      const { access } = await request.server.auth.logIn(credentials, callerOf(request), terms)
      return { errors: {}, success: true, token: access }
    },
  })

  const logout = action({
    guard: 'access_token',
    summary: 'Sign out: this token is refused from now on.',
    answers: withRefusals({ 200: Type.Object({ success: Type.Literal(true) }) }),
    async handle(request) {
      const tokens = { access: readToken(request, 'Token'), refresh: undefined }
      await request.server.auth.logOut(tokens, callerOf(request))
      return { success: true }
    },
  })

  return {
    name: TONGUE.name,
    accessTtlSeconds: ttlSeconds,
    refuse: () => refuseAsDrf(TONGUE),
    mount(app) {
      const add = speakDrf(app, TONGUE)
      add('/signup', 'Sign up', { POST: signUp })
      add('/login', 'Login', { POST: login })
      add('/logout', 'Logout', { POST: logout })
    },
  }
}

/** Text where the terms were accepted, as a checkbox of Django reads what it is sent. */
function accepted(value: boolean | string | undefined): string | undefined {
  return value === undefined || value === false || /^(?:false|0|off|)$/i.test(String(value))
    ? undefined
    : 'true'
}
