import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import {
  requestResetPage,
  resetAskedForPage,
  resetDonePage,
  resetLinkInvalidPage,
  resetPage,
} from '../../pages/reset.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { EmailBody, Success, TokenQuery, withProblems } from './answers.ts'
import { answerForm, faultsIn } from './forms.ts'

/** A forgotten password: the letter, and the link in it. `base` is the path that the dialect is reached under. */
export function resetActions({ base, passwordMinLength }: { base: string; passwordMinLength: number }) {
  const requestForm = { action: `${base}/request-reset` }
  const formOf = (token: string, username: string) => ({
    action: `${base}/reset`,
    token,
    username,
    passwordMinLength,
  })

  const requestPage = action({
    guard: 'open',
    summary: 'The page for whoever has forgotten the password.',
    answers: {},
    hidden: true,
    page: true,
    handle: (_request, reply) => reply.sendPage(requestResetPage(requestForm)),
  })

  const request = action({
    guard: 'letter',
    summary:
      'Have a letter sent by which a new password can be set. The answer is the same whether or not there is an account.',
    description:
      'Up to three letters an hour go to one address, whatever asked for them; more are not sent. The link is good' +
      ' for an hour and works once. It leads to our page, or to RESET_URL with ?token=….',
    body: EmailBody,
    answers: withProblems({ 200: Success }),
    page: true,
    handle(request, reply) {
      const { email } = request.body
      return answerForm(request, reply, request.server.auth.requestReset(email, callerOf(request)), {
        done: resetAskedForPage,
        refused(refusal) {
          const faults = faultsIn(refusal, 'email')
          return faults && requestResetPage(requestForm, { value: email, faults })
        },
      })
    },
  })

  const page = action({
    // Unlike the other pages it looks at the link, so that nobody thinks up a password for nothing.
    guard: 'link',
    summary: 'The page of a letter of reset, with the form for a new password. Opening it changes nothing.',
    query: TokenQuery,
    answers: {},
    hidden: true,
    page: true,
    async handle(request, reply) {
      const { token = '' } = request.query
      try {
        const { username } = await request.server.auth.findResetLink(token)
        return reply.sendPage(resetPage(formOf(token, username)))
      } catch (error) {
        if (!(error instanceof AuthError) || error.code !== 'link_invalid') throw error
        return reply.sendPage(resetLinkInvalidPage(requestForm), 400)
      }
    },
  })

  const reset = action({
    guard: 'link',
    summary: 'Set a new password by the token of a letter. Every session ends.',
    description:
      'The token is void after use, after an hour, and once the password or the address has changed. It also' +
      ' confirms the address; what an account held whose address nobody had confirmed before is dropped.',
    body: Type.Object(
      {
        token: Type.String(),
        password: Type.String({ description: 'The new one, up to 1,024 bytes' }),
      },
      { additionalProperties: false },
    ),
    answers: withProblems({ 200: Success }),
    page: true,
    handle(request, reply) {
      const { token, password } = request.body
      const { auth } = request.server
      return answerForm(request, reply, auth.resetPassword(token, password, callerOf(request)), {
        done: resetDonePage,
        async refused(refusal) {
          if (refusal.code === 'link_invalid') return resetLinkInvalidPage(requestForm)
          const faults = faultsIn(refusal, 'password')
          if (faults === undefined) return undefined
          const { username } = await auth.findResetLink(token)
          return resetPage(formOf(token, username), faults)
        },
      })
    },
  })

  return { requestPage, request, page, reset }
}
