import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import type { RefreshCookie } from '../refresh-cookie.ts'
import { tokenAnswers, withProblems } from './answers.ts'
import { audienceField, audiencesIn } from './audience.ts'

const bodyWith = (audiences: readonly string[]) =>
  Type.Object(
    {
      username: Type.Optional(Type.String({ minLength: 1, maxLength: 400 })),
      email: Type.Optional(Type.String({ minLength: 1, maxLength: 320 })),
      password: Type.String({ minLength: 1, maxLength: 1024 }),
      ...audienceField(audiences),
    },
    { additionalProperties: false, description: 'Either username or email, and the password.' },
  )

export function tokenAction(cookie: RefreshCookie | undefined, audiences: readonly string[]) {
  const { schema, answer } = tokenAnswers(cookie)
  return action({
    guard: 'login',
    summary: 'Sign in with user name or e-mail address and password.',
    description:
      cookie === undefined
        ? 'Store the refresh token before you use what came with it.'
        : 'The refresh token comes in a cookie; from another origin, ask with credentials. One that was there before is' +
          ' replaced, and its session ends.',
    body: bodyWith(audiences),
    answers: withProblems({ 200: schema }),
    async handle(request, reply) {
      const former = cookie?.read(request)
      const { username, email, password } = request.body
      const credentials = withIdentifier(username, email, password)
      const wanted = audiencesIn(request.body)
      const grant = await request.server.auth.logIn(credentials, callerOf(request), wanted)
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
