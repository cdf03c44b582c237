import type { Auth } from '../../core/auth.ts'
import type { Caller } from '../../core/ports.ts'
import type { Page } from '../../pages/layout.ts'
import type { TokenForm } from '../../pages/parts.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { Success, TokenBody, TokenQuery, withProblems } from './answers.ts'
import { answerForm } from './forms.ts'

/** A link of a letter: the page that it opens, and what the button there does. */
export interface LetterLink {
  /** The path of both, as a browser finds it. */
  readonly path: string
  /** The summaries and the description for OpenAPI. */
  readonly pageSummary: string
  readonly summary: string
  readonly description: string
  readonly use: (auth: Auth, token: string, caller: Caller) => Promise<void>
  readonly ask: (form: TokenForm) => Page
  readonly done: () => Page
  /** For a link without a token, and one that is void. */
  readonly invalid: () => Page
}

/** Opening the page uses up nothing, for mail scanners open links; only the button, a POST, does. */
export function linkActions(link: LetterLink) {
  const page = action({
    guard: 'open',
    summary: link.pageSummary,
    query: TokenQuery,
    answers: {},
    hidden: true,
    page: true,
    handle(request, reply) {
      const { token } = request.query
      if (token === undefined) return reply.sendPage(link.invalid(), 400)
      return reply.sendPage(link.ask({ action: link.path, token }))
    },
  })

  const confirm = action({
    guard: 'link',
    summary: link.summary,
    description: link.description,
    body: TokenBody,
    answers: withProblems({ 200: Success }),
    page: true,
    handle: (request, reply) =>
      answerForm(request, reply, link.use(request.server.auth, request.body.token, callerOf(request)), {
        done: link.done,
        refused: ({ code }) => (code === 'link_invalid' ? link.invalid() : undefined),
      }),
  })

  return { GET: page, POST: confirm }
}
