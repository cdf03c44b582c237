import { Type } from 'typebox'
import {
  confirmEmailInvalidPage,
  confirmEmailPage,
  emailConfirmedPage,
  emailUndonePage,
  undoEmailInvalidPage,
  undoEmailPage,
} from '../../pages/email.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf } from '../bearer.ts'
import { Success, withProblems } from './answers.ts'
import { linkActions } from './links.ts'

export const changeEmailAction = action({
  guard: 'access_token',
  summary: 'Ask for another e-mail address. Nothing changes until the link that goes there is used.',
  description:
    'The old address gets a letter with a link that undoes the change, for a week. That an address belongs to' +
    ' somebody else is not told. A wrong password is 403 wrong_password and counts as a failed sign-in. A user name' +
    ' that is the address changes with it.',
  body: Type.Object(
    {
      email: Type.String({ maxLength: 320, description: 'The new one' }),
      password: Type.String({ minLength: 1, maxLength: 1024 }),
    },
    { additionalProperties: false },
  ),
  answers: withProblems({ 200: Success }),
  async handle(request, reply) {
    await request.server.auth.requestEmailChange(claimsOf(request), request.body, callerOf(request))
    reply.header('cache-control', 'no-store')
    return { success: true }
  },
})

/** The links of both letters about a change of address; `base` is the path that the dialect is reached under. */
export function emailLinkActions(base: string) {
  const confirm = linkActions({
    path: `${base}/confirm-email`,
    pageSummary: 'The page of the letter to a new address. Opening it changes nothing.',
    summary: 'Make a new e-mail address the address, by the token of the letter that went there.',
    description:
      'Void after use, after a day, and once the password has changed or another change was asked for. Whoever' +
      ' confirms an address first has it.',
    use: (auth, token, caller) => auth.confirmEmailChange(token, caller),
    ask: confirmEmailPage,
    done: emailConfirmedPage,
    invalid: confirmEmailInvalidPage,
  })

  const undo = linkActions({
    path: `${base}/undo-email`,
    pageSummary: 'The page of the letter to the old address. Opening it changes nothing.',
    summary: 'Undo a change of the e-mail address, asked for or done, by the token that went to the old one.',
    description:
      'Good for a week, also after further changes. Every session ends, the password works no more, and a letter' +
      ' for a new one goes to the old address: whoever asked for the change knew the password.',
    use: (auth, token, caller) => auth.undoEmailChange(token, caller),
    ask: undoEmailPage,
    done: emailUndonePage,
    invalid: () => undoEmailInvalidPage({ path: `${base}/request-reset` }),
  })

  return { confirm, undo }
}
