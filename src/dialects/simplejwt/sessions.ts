import { Type } from 'typebox'
import type { Account } from '../../core/ports.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf, readToken } from '../bearer.ts'
import { fields, Password, trimmed, Username, withRefusals } from '../drf/fields.ts'
import { detail, refusedSignIn } from '../drf/words.ts'
import { ASKED_FIELDS } from './profile.ts'
import { MOBILE_SESSION_TTL_SECONDS, SESSION_TTL_SECONDS } from './tokens.ts'

const Status = Type.Object({
  username: Type.String(),
  email: Type.String(),
  access_token: Type.String(),
  refresh_token: Type.Union([Type.String(), Type.Null()]),
  is_authenticated: Type.Literal(true),
  user_id: Type.Integer(),
  is_admin: Type.Boolean(),
  is_profile_updated: Type.Boolean(),
  is_agreed_to_privacy_policy: Type.Boolean(),
  accepted_privacy_policy_version: Type.Union([Type.String(), Type.Null()]),
})

/** The account with its tokens, as the clients of this kind keep it. */
function statusOf(account: Account, access: string, refresh: string | null) {
  const { profile } = account
  const version = profile['accepted_privacy_policy_version']
  return {
    username: account.username,
    email: account.email,
    access_token: access,
    refresh_token: refresh,
    is_authenticated: true,
    user_id: account.id,
    is_admin: account.roles.includes('admin'),
    is_profile_updated: ASKED_FIELDS.every((name) => profile[name] !== undefined),
    is_agreed_to_privacy_policy: [profile['is_agreed_to_privacy_policy'], profile['agree']].some(isYes),
    accepted_privacy_policy_version: version === undefined ? null : String(version),
  }
}

function isYes(value: unknown): boolean {
  return value === true || value === 'true'
}

const NOT_PROVIDED = detail(401, 'Authentication credentials were not provided.')

export function sessionActions({
  rotates,
  statusGivesRefresh,
}: {
  readonly rotates: boolean
  readonly statusGivesRefresh: boolean
}) {
  const login = action({
    guard: 'login',
    summary: 'Sign in with e-mail address, or user name, and password.',
    description: 'With ?app=mobile the session lives for 90 days instead of 30.',
    query: Type.Object({ app: Type.Optional(Type.String({ maxLength: 64 })) }),
    body: fields({ email: Username, password: Password }),
    answers: withRefusals({ 200: Status }),
    words: refusedSignIn({ status: 401, body: { error: 'Invalid credentials' } }),
    async handle(request) {
      const { email, password } = request.body
      const ttlSeconds = request.query.app === 'mobile' ? MOBILE_SESSION_TTL_SECONDS : SESSION_TTL_SECONDS
      const { access, refresh, account } = await request.server.auth.logIn(
        { username: trimmed('email', email), password },
        callerOf(request),
        { ttlSeconds, rotates },
      )
      return statusOf(account, access, refresh)
    },
  })

  const status = action({
    guard: 'access_token',
    summary: 'Whose access token is this? Gives a fresh one while the session lives.',
    answers: withRefusals({ 200: Status }),
    // A token that is no good counts as none here, where clients only ask whether they are signed in.
    words: { invalid_token: NOT_PROVIDED },
    async handle(request, reply) {
      const { access, refresh, account } = await request.server.auth.renewAccess(claimsOf(request))
      reply.header('cache-control', 'no-store')
      return statusOf(account, access, statusGivesRefresh ? refresh : null)
    },
  })

  const logout = action({
    guard: 'access_token',
    summary: 'End this session.',
    answers: withRefusals({ 200: Type.Object({ message: Type.String() }) }),
    async handle(request) {
      const tokens = { access: readToken(request, 'Bearer'), refresh: undefined }
      await request.server.auth.logOut(tokens, callerOf(request))
      return { message: 'Logout successful' }
    },
  })

  return { login, status, logout }
}
