import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { isGrant } from '../../plugins/guards.ts'
import { grantFields, grantTokens } from '../oauth/refresh-grant.ts'
import type { RefreshCookie } from '../refresh-cookie.ts'
import { tokenAnswers, withProblems } from './answers.ts'
import { audienceField, audiencesIn } from './audience.ts'

const signInFields = {
  username: Type.Optional(Type.String({ minLength: 1, maxLength: 400 })),
  email: Type.Optional(Type.String({ minLength: 1, maxLength: 320 })),
  password: Type.String({ minLength: 1, maxLength: 1024 }),
}

/** A grant may bring what nobody asked for (RFC 6749, 3.2); a sign-in may not, as everywhere. */
function bodyWith(audiences: readonly string[]) {
  const fields = { ...signInFields, ...audienceField(audiences) }
  return Type.Object(
    { ...fields, password: Type.Optional(fields.password), ...grantFields },
    {
      description: 'Either username or email, and the password; or a grant of OAuth 2.0.',
      if: { required: ['grant_type'] },
      else: Type.Object(fields, { additionalProperties: false }),
    },
  )
}

export function tokenAction(cookie: RefreshCookie | undefined, audiences: readonly string[]) {
  const { schema, answer } = tokenAnswers(cookie)
  return action({
    guard: 'token',
    summary: 'Sign in with user name or e-mail address and password.',
    description:
      cookie === undefined
        ? 'Store the refresh token before you use what came with it. Clients of OAuth 2.0 may refresh here, with' +
          ' grant_type=refresh_token and refresh_token: the answer has access_token, token_type, expires_in, refresh_token and' +
          ' refresh_expires_in, a refusal error and error_description (RFC 6749). There is no password grant.'
        : 'The refresh token comes in a cookie; from another origin, ask with credentials. One that was there before is' +
          ' replaced, and its session ends.',
    body: bodyWith(audiences),
    answers: withProblems({ 200: schema }),
    async handle(request, reply) {
      if (isGrant(request.body)) return grantTokens(request, reply, request.body, cookie)
      const former = cookie?.read(request)
      const { username, email, password = '' } = request.body
      const credentials = withIdentifier(username, email, password)
      const terms = { audiences: audiencesIn(request.body) }
      const grant = await request.server.auth.logIn(credentials, callerOf(request), terms)
      await endFormer(request, former)
      return answer(reply, grant)
    },
  })
}

/** What a cookie held before another session takes its place: nobody could sign it out any more. */
export async function endFormer(request: FastifyRequest, refresh: string | undefined): Promise<void> {
  if (refresh !== undefined)
    await request.server.auth.logOut({ access: undefined, refresh }, callerOf(request))
}

function withIdentifier(username: string | undefined, email: string | undefined, password: string) {
  if (username !== undefined && email === undefined) return { username, password }
  if (email !== undefined && username === undefined) return { email, password }
  const message =
    username === undefined ? 'This field is required, or email.' : 'Send either username or email.'
  throw new AuthError('validation_failed', { fields: { username: [message] } })
}
