import type { FastifyReply, FastifyRequest } from 'fastify'
import { AuthError } from '../../core/errors.ts'
import type { Page } from '../../pages/layout.ts'

/** A browser that posts a form says so; a program that takes anything gets JSON. */
export function asksForPage(request: FastifyRequest): boolean {
  return request.headers.accept?.includes('text/html') === true
}

/** What a browser is shown after it has sent a form. */
export interface FormPages {
  readonly done: () => Page
  /** The form once more, or what to do instead; `undefined` where the words of the refusal are all there is. */
  readonly refused: (refusal: AuthError) => Page | undefined | Promise<Page | undefined>
}

/** Waits for what the form asked for and answers: a program by JSON, a browser by a page. */
export async function answerForm(
  request: FastifyRequest,
  reply: FastifyReply,
  deed: Promise<void>,
  pages: FormPages,
): Promise<unknown> {
  reply.header('cache-control', 'no-store')
  if (!asksForPage(request)) return deed.then(() => ({ success: true }))
  try {
    await deed
  } catch (error) {
    const page = error instanceof AuthError ? await pages.refused(error) : undefined
    if (page === undefined) throw error
    return reply.sendPage(page, 400)
  }
  return reply.sendPage(pages.done())
}

/** What is wrong with one field of a form; `undefined` where the refusal is about something else. */
export function faultsIn(refusal: AuthError, field: string): readonly string[] | undefined {
  return refusal.code === 'validation_failed' ? refusal.fields?.[field] : undefined
}
