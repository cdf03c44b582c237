import { METHODS } from 'node:http'
import fp from 'fastify-plugin'
import type { Refuse } from './refusal.ts'
import { refusal } from './refusal.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What answers whatever no route is for. */
    readonly answerUnknown: (refuse: Refuse) => (request: FastifyRequest, reply: FastifyReply) => FastifyReply
  }
}

/**
 * One answer for whatever is not there: 405 with `Allow` where the path is there and the method is one that only
 * WebDAV and its like know, 404 elsewhere. The methods of HTTP itself have routes of their own, see endpoint.ts.
 */
export const unknownPathsPlugin = fp(
  async (app) => {
    // Fastify asks for the type of its body before it looks whether anything takes one, and 400 is no answer to that.
    if (METHODS.includes('QUERY')) app.addHttpMethod('QUERY', { hasBody: false, overrideExisting: true })

    const allows: { readonly segments: readonly string[]; readonly allow: string }[] = []
    app.addHook('onRoute', ({ url, method, config }) => {
      const allow = config?.allow
      if (allow !== undefined && method === 'OPTIONS') allows.push({ segments: segmentsOf(url), allow })
    })

    app.decorate('answerUnknown', (refuse) => (request, reply) => {
      const segments = segmentsOf(request.url.split('?', 1)[0] ?? '')
      const allow = allows.find((route) => fits(segments, route.segments))?.allow
      return allow === undefined || allow.split(', ').includes(request.method)
        ? refuse(refusal('not_found'), request, reply)
        : refuse(refusal('method_not_allowed', `Use ${allow}.`), request, reply.header('allow', allow))
    })
  },
  { name: 'unknown-paths' },
)

function segmentsOf(path: string): string[] {
  return path.replace(/(?<=.)\/$/, '').split('/')
}

function fits(segments: readonly string[], pattern: readonly string[]): boolean {
  return (
    segments.length === pattern.length &&
    pattern.every((part, at) => part.startsWith(':') || part === segments[at])
  )
}
