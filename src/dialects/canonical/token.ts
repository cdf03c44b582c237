import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { TokenAnswer, tokenAnswer, withProblems } from './answers.ts'

const Body = Type.Object(
  {
    username: Type.Optional(Type.String({ minLength: 1, maxLength: 400 })),
    email: Type.Optional(Type.String({ minLength: 1, maxLength: 320 })),
    password: Type.String({ minLength: 1, maxLength: 1024 }),
  },
  { additionalProperties: false, description: 'Either username or email, and the password.' },
)

export const tokenAction = action({
  guard: 'login',
  summary: 'Sign in with user name or e-mail address and password.',
  body: Body,
  answers: withProblems({ 200: TokenAnswer }),
  async handle(request, reply) {
    const { username, email, password } = request.body
    const credentials = withIdentifier(username, email, password)
    return tokenAnswer(reply, await request.server.auth.logIn(credentials, callerOf(request)))
  },
})

function withIdentifier(username: string | undefined, email: string | undefined, password: string) {
  if (username !== undefined && email === undefined) return { username, password }
  if (email !== undefined && username === undefined) return { email, password }
  const message =
    username === undefined ? 'This field is required, or email.' : 'Send either username or email.'
  throw new AuthError('validation_failed', { fields: { username: [message] } })
}
