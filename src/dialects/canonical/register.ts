import { Type } from 'typebox'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import type { RefreshCookie } from '../refresh-cookie.ts'
import { AccountAnswer, accountAnswer, tokenAnswers, withProblems } from './answers.ts'
import { endFormer } from './token.ts'

const Body = Type.Object(
  {
    username: Type.String({ maxLength: 400, description: 'Letters, digits and @ . + - _' }),
    email: Type.String({ maxLength: 320 }),
    password: Type.String({ maxLength: 1024, description: 'Up to 1,024 bytes' }),
    first_name: Type.Optional(Type.String({ maxLength: 400 })),
    last_name: Type.Optional(Type.String({ maxLength: 400 })),
  },
  {
    additionalProperties: Type.Union([Type.String(), Type.Number(), Type.Boolean()]),
    description: 'Any further field is kept in the profile: text, a number, or true or false.',
  },
)

export function registerAction(cookie: RefreshCookie | undefined) {
  const { schema, answer } = tokenAnswers(cookie)
  return action({
    guard: 'register',
    summary: 'Create an account.',
    description:
      'With EMAIL_VERIFICATION=required the account waits for the link in the letter. A taken address is not revealed.' +
      ' Sent again within the hour, because the answer was lost, the very same is answered the same, until the address is' +
      ' confirmed. With EMAIL_VERIFICATION=off the answer also holds the tokens, as that of /token does.',
    body: Body,
    takesProfile: true,
    answers: withProblems({ 201: Type.Intersect([AccountAnswer, Type.Partial(schema)]) }),
    async handle(request, reply) {
      const former = cookie?.read(request)
      const { username, email, password, first_name = '', last_name = '', ...profile } = request.body
      const { account, grant } = await request.server.auth.register(
        { username, email, password, firstName: first_name, lastName: last_name, profile },
        callerOf(request),
      )
      reply.code(201)
      if (grant === undefined) return accountAnswer(account)
      await endFormer(request, former)
      return { ...accountAnswer(account), ...answer(reply, grant) }
    },
  })
}
