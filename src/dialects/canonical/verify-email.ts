import { Type } from 'typebox'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { Success, withProblems } from './answers.ts'

const TokenBody = Type.Object({ token: Type.String({ minLength: 1, maxLength: 512 }) }, { additionalProperties: false })

export const verifyEmailAction = action({
  guard: 'link',
  summary: 'Confirm an e-mail address by the token of its letter.',
  body: TokenBody,
  answers: withProblems({ 200: Success }),
  async handle(request) {
    await request.server.auth.verifyEmail(request.body.token, callerOf(request))
    return { success: true }
  },
})

const EmailBody = Type.Object({ email: Type.String({ minLength: 1, maxLength: 320 }) }, { additionalProperties: false })

export const resendVerificationAction = action({
  guard: 'letter',
  summary: 'Have the verification letter sent again. The answer is the same whether or not there is an account.',
  body: EmailBody,
  answers: withProblems({ 200: Success }),
  async handle(request) {
    await request.server.auth.resendVerification(request.body.email, callerOf(request))
    return { success: true }
  },
})
