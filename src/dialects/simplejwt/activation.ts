import type { FastifyReply, FastifyRequest } from 'fastify'
import { AuthError } from '../../core/errors.ts'
import { linkInvalidPage, verifyPage } from '../../pages/verify.ts'
import { callerOf } from '../../plugins/caller.ts'
import type { Action } from '../../plugins/endpoint.ts'
import { action } from '../../plugins/endpoint.ts'
import { asksForPage } from '../canonical/forms.ts'
import { LinkParams, tokenOf } from './links.ts'

const WORDS = { link_invalid: { status: 400, body: { error: 'Invalid token or expired' } } } as const

interface ActivationOptions {
  /** SIMPLEJWT_ACTIVATE_BY_GET. */
  readonly byGet: boolean
  readonly activatedUrl: string
  /** The path that the dialect is reached under. */
  readonly base: string
}

/** Where the link of a letter of registration leads. */
export function activationActions({
  byGet,
  activatedUrl,
  base,
}: ActivationOptions): Partial<Record<'GET' | 'POST', Action>> {
  const activated = new URL(activatedUrl)
  activated.searchParams.set('activation_complete', 'true')

  async function activate(
    request: FastifyRequest<{ Params: { uid: string; token: string } }>,
    reply: FastifyReply,
  ) {
    reply.header('cache-control', 'no-store')
    try {
      await request.server.auth.verifyEmail(tokenOf('verify_email', request.params), callerOf(request))
    } catch (error) {
      const isBad = error instanceof AuthError && error.code === 'link_invalid'
      if (!isBad || !asksForPage(request)) throw error
      return reply.sendPage(linkInvalidPage(), 400)
    }
    return reply.redirect(activated.href, request.method === 'POST' ? 303 : 302)
  }

  const shared = { guard: 'link', params: LinkParams, answers: {}, words: WORDS, page: true } as const
  if (byGet) {
    const open = action({
      ...shared,
      summary: 'Confirm the address of a new account, by opening the link of its letter.',
      // Scanners of mail ask by HEAD whether a link is alive: that must use up nothing.
      handle: (request, reply) => (request.method === 'HEAD' ? reply.send() : activate(request, reply)),
    })
    return { GET: open }
  }
  return {
    GET: action({
      ...shared,
      summary: 'The page of a letter of registration, with the button that confirms.',
      hidden: true,
      handle(request, reply) {
        const { uid, token } = request.params
        const path = `${base}/activate/${encodeURIComponent(uid)}/${encodeURIComponent(token)}/`
        return reply.sendPage({ ...verifyPage({ action: path, token }), formsLeadTo: activated.origin })
      },
    }),
    POST: action({
      ...shared,
      summary: 'Confirm the address of a new account, by the button of its page.',
      handle: activate,
    }),
  }
}
