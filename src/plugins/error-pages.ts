import fp from 'fastify-plugin'
import { Type } from 'typebox'
import { errorPage } from '../pages/error.ts'
import type { Manner } from './endpoint.ts'
import { action, endpoint } from './endpoint.ts'
import { refusal } from './refusal.ts'

/** A code as its page explains it. */
export interface ErrorWords {
  readonly status: number
  readonly title: string
  readonly detail: string
}

export interface ErrorPagesPluginOptions {
  readonly manner: Manner
  readonly words: Readonly<Record<string, ErrorWords>>
}

/** `/errors/:code`: where the `type` of every problem leads. */
export const errorPagesPlugin = fp<ErrorPagesPluginOptions>(
  async (app, { manner, words }) => {
    const known = new Map(Object.entries(words))
    const page = action({
      guard: 'open',
      summary: 'What an error code means and what to do about it.',
      params: Type.Object({ code: Type.String({ maxLength: 64 }) }),
      answers: {},
      hidden: true,
      handle(request, reply) {
        const { code } = request.params
        const found = known.get(code)
        if (found === undefined) return manner.refuse(refusal('not_found'), request, reply)
        return reply.sendPage(errorPage({ code, ...found }))
      },
    })
    endpoint(app, manner, '/errors/:code', 'Error', { GET: page })
  },
  { name: 'error-pages', dependencies: ['guards', 'pages'] },
)
