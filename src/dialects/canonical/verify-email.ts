import {
  letterAskedForPage,
  linkInvalidPage,
  resendPage,
  verifiedPage,
  verifyPage,
} from '../../pages/verify.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { EmailBody, Success, withProblems } from './answers.ts'
import { answerForm, faultsIn } from './forms.ts'
import { linkActions } from './links.ts'

/** Confirming an address, and the page that asks for it; `base` is the path that the dialect is reached under. */
export function verifyEmailActions(base: string) {
  const resendForm = { action: `${base}/resend-verification` }

  const link = linkActions({
    path: `${base}/verify-email`,
    pageSummary:
      'The page of a verification letter, with the button that confirms. Opening it changes nothing.',
    summary: 'Confirm an e-mail address by the token of its letter.',
    description: 'The link of the letter leads to a page that asks for this; GET and HEAD use up nothing.',
    use: (auth, token, caller) => auth.verifyEmail(token, caller),
    ask: verifyPage,
    done: verifiedPage,
    invalid: () => linkInvalidPage(resendForm),
  })

  const resend = action({
    guard: 'letter',
    summary:
      'Have the verification letter sent again. The answer is the same whether or not there is an account.',
    description: 'Up to three letters an hour go to one address, whatever asked for them; more are not sent.',
    body: EmailBody,
    answers: withProblems({ 200: Success }),
    page: true,
    handle(request, reply) {
      const { email } = request.body
      return answerForm(request, reply, request.server.auth.resendVerification(email, callerOf(request)), {
        done: letterAskedForPage,
        refused(refusal) {
          const faults = faultsIn(refusal, 'email')
          return faults && resendPage(resendForm, { value: email, faults })
        },
      })
    },
  })

  return { link, resend }
}
