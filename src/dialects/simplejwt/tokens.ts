import { Type } from 'typebox'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { fields, Password, trimmed, Username, withRefusals } from '../drf/fields.ts'
import { refreshHeaders } from '../refresh-headers.ts'

const DAY_SECONDS = 24 * 3600
/** How long its clients stay signed in; those that say `?app=mobile` for a quarter. */
export const SESSION_TTL_SECONDS = 30 * DAY_SECONDS
export const MOBILE_SESSION_TTL_SECONDS = 90 * DAY_SECONDS

const Token = Type.String({ minLength: 1, maxLength: 4096 })
const RefreshBody = fields({ refresh: Token })

/** The endpoints of djangorestframework-simplejwt itself. */
export function tokenActions({ rotates }: { readonly rotates: boolean }) {
  const obtain = action({
    guard: 'login',
    summary: 'Sign in with user name and password.',
    body: fields({ username: Username, password: Password }),
    answers: withRefusals({ 200: Type.Object({ refresh: Type.String(), access: Type.String() }) }),
    async handle(request) {
      const { username, password } = request.body
      const credentials = { username: trimmed('username', username), password }
      const terms = { ttlSeconds: SESSION_TTL_SECONDS, rotates }
      const { access, refresh } = await request.server.auth.logIn(credentials, callerOf(request), terms)
      return { refresh, access }
    },
  })

  const refresh = action({
    guard: 'refresh',
    summary: 'Exchange a refresh token for an access token.',
    description: 'With SIMPLEJWT_ROTATE=true also for the next refresh token, which has to be stored.',
    body: RefreshBody,
    answers: withRefusals({
      200: Type.Object({
        access: Type.String(),
        access_token: Type.String({ description: 'The same' }),
        refresh: Type.Optional(Type.String()),
        refresh_token: Type.Optional(Type.String({ description: 'The same' })),
      }),
    }),
    async handle(request, reply) {
      const asked = { token: request.body.refresh, idempotencyKey: undefined }
      const refreshed = await request.server.auth.refresh(asked, callerOf(request))
      const { access, refresh, outcome } = refreshed
      reply.headers(refreshHeaders(refreshed))
      // Whatever the setting says by now: the token of a session that rotates is of no use any more.
      const next = outcome === 'kept' ? {} : { refresh, refresh_token: refresh }
      return { access, access_token: access, ...next }
    },
  })

  const verify = action({
    guard: 'open',
    summary: 'Whether a token, of either kind, is still good.',
    body: fields({ token: Token }),
    answers: withRefusals({ 200: Type.Object({}) }),
    async handle(request) {
      await request.server.auth.confirmToken(request.body.token)
      return {}
    },
  })

  const blacklist = action({
    guard: 'open',
    summary: 'End the session of a refresh token.',
    body: RefreshBody,
    answers: withRefusals({ 200: Type.Object({}) }),
    async handle(request) {
      const tokens = { access: undefined, refresh: request.body.refresh, strict: true }
      await request.server.auth.logOut(tokens, callerOf(request))
      return {}
    },
  })

  return { obtain, refresh, verify, blacklist }
}
