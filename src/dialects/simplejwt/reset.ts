import { Type } from 'typebox'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { Email, fields, Password, renaming, trimmed, withRefusals } from '../drf/fields.ts'
import { LinkParams, tokenOf } from './links.ts'

/** A forgotten password. `resetUrl` is the page that the link of the letter ends at, with `?uid=…&token=…`. */
export function resetActions(resetUrl: string) {
  const request = action({
    guard: 'letter',
    summary: 'Have a letter sent by which a new password can be set, whether or not there is an account.',
    body: fields({ email: Email }),
    answers: withRefusals({ 200: Type.Object({ message: Type.String() }) }),
    async handle(request) {
      await request.server.auth.requestReset(trimmed('email', request.body.email), callerOf(request))
      return { message: 'Password reset email sent' }
    },
  })

  const verify = action({
    guard: 'link',
    summary: 'Where the link of a letter of reset leads: on to the page for a new password.',
    params: LinkParams,
    answers: withRefusals({}),
    async handle(request, reply) {
      const token = tokenOf('reset_password', request.params)
      await request.server.auth.findResetLink(token)
      const page = new URL(resetUrl)
      page.searchParams.set('uid', request.params.uid)
      page.searchParams.set('token', token)
      return reply.header('cache-control', 'no-store').redirect(page.href, 302)
    },
  })

  const update = action({
    guard: 'link',
    summary: 'Set a new password by the link of a letter. Every session ends.',
    params: LinkParams,
    body: fields({ newPassword: Password }),
    answers: withRefusals({ 200: Type.Object({ message: Type.String() }) }),
    async handle(request) {
      const token = tokenOf('reset_password', request.params)
      await renaming(request.server.auth.resetPassword(token, request.body.newPassword, callerOf(request)), {
        password: 'newPassword',
      })
      return { message: 'Password updated successfully' }
    },
  })

  return { request, verify, update }
}
