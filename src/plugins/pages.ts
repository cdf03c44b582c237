import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import type { Page } from '../pages/layout.ts'
import { createLook, layout, pageHeaders } from '../pages/layout.ts'
import { PAGE_SECURITY_HEADERS } from './security-headers.ts'

declare module 'fastify' {
  interface FastifyReply {
    /** Answers with a page, under the policies that every page of ours has. */
    sendPage(page: Page, status?: number): FastifyReply
  }
}

export interface PagesPluginOptions {
  /** PAGE_CSS_FILE: what stands in it. */
  readonly ownStyle: string | undefined
}

/** Pages for people, all in one look. */
export const pagesPlugin = fp<PagesPluginOptions>(
  async (app, { ownStyle }) => {
    const look = createLook(ownStyle)
    app.decorateReply('sendPage', function (this: FastifyReply, page, status = 200) {
      // The serializer of the route is for its JSON answers.
      return this.code(status)
        .headers(PAGE_SECURITY_HEADERS)
        .headers(pageHeaders(page, look))
        .serializer(String)
        .send(layout(page, look))
    })
  },
  { name: 'pages' },
)
