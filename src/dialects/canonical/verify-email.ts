import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import { PAGE_HEADERS } from '../../pages/layout.ts'
import { letterAskedForPage, linkInvalidPage, verifiedPage, verifyPage } from '../../pages/verify.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { Success, withProblems } from './answers.ts'

/** Confirming an address, and the page that asks for it; `base` is the path of the dialect as browsers see it. */
export function verifyEmailActions(base: string) {
  const resendPath = { action: `${base}/resend-verification` }

  const page = action({
    guard: 'open',
    summary: 'The page of a verification letter, with the button that confirms. Opening it changes nothing.',
    query: Type.Object({ token: Type.Optional(Type.String({ maxLength: 512 })) }),
    answers: {},
    hidden: true,
    handle(request, reply) {
      const { token } = request.query
      if (token === undefined) return sendPage(reply, linkInvalidPage(resendPath), 400)
      return sendPage(reply, verifyPage({ action: `${base}/verify-email`, token }))
    },
  })

  const confirm = action({
    guard: 'link',
    summary: 'Confirm an e-mail address by the token of its letter.',
    body: Type.Object(
      { token: Type.String({ minLength: 1, maxLength: 512 }) },
      { additionalProperties: false },
    ),
    answers: withProblems({ 200: Success }),
    async handle(request, reply) {
      const confirmed = request.server.auth.verifyEmail(request.body.token, callerOf(request))
      if (!asksForPage(request)) return confirmed.then(() => ({ success: true }))
      return confirmed.then(
        () => sendPage(reply, verifiedPage()),
        (error: unknown) => {
          if (error instanceof AuthError && error.code === 'link_invalid') {
            return sendPage(reply, linkInvalidPage(resendPath), 400)
          }
          throw error
        },
      )
    },
  })

  const resend = action({
    guard: 'letter',
    summary:
      'Have the verification letter sent again. The answer is the same whether or not there is an account.',
    body: Type.Object(
      { email: Type.String({ minLength: 1, maxLength: 320 }) },
      { additionalProperties: false },
    ),
    answers: withProblems({ 200: Success }),
    async handle(request, reply) {
      await request.server.auth.resendVerification(request.body.email, callerOf(request))
      return asksForPage(request) ? sendPage(reply, letterAskedForPage()) : { success: true }
    },
  })

  return { page, confirm, resend }
}

/** A browser that posts a form says so; a program that takes anything gets JSON. */
function asksForPage(request: FastifyRequest): boolean {
  return request.headers.accept?.includes('text/html') === true
}

function sendPage(reply: FastifyReply, page: string, status = 200): FastifyReply {
  // The serializer of the route is for its JSON answers.
  return reply.code(status).headers(PAGE_HEADERS).serializer(String).send(page)
}
