import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Action, Manner } from '../../plugins/endpoint.ts'
import { endpoint } from '../../plugins/endpoint.ts'
import type { Refuse } from '../../plugins/refusal.ts'
import type { TokenScheme } from '../bearer.ts'
import { requireAccessToken } from '../bearer.ts'
import type { Words } from './words.ts'
import { say } from './words.ts'

/** What tells one Django dialect from another, beside its paths. */
export interface Tongue {
  readonly name: string
  /** For OpenAPI: the heading of its endpoints. */
  readonly tag: string
  readonly scheme: TokenScheme
  /** The challenge of a 401 (RFC 9110, 11.6.1). */
  readonly challenge: string
  readonly words: Words
}

/** Says no as Django REST Framework does: plain JSON, and a challenge with every 401. */
export function refuseAsDrf({ words, challenge }: Tongue): Refuse {
  return (refusal, request, reply) => {
    const { status, body } = say(words, refusal, request)
    if (status === 401) reply.header('www-authenticate', challenge)
    if (refusal.retryAfterSeconds !== undefined) reply.header('retry-after', refusal.retryAfterSeconds)
    return reply
      .code(status)
      .header('cache-control', 'no-store')
      .type('application/json; charset=utf-8')
      .serializer(JSON.stringify)
      .send(body)
  }
}

/** Adds one path after another, with what Django sends along with every answer. */
export function speakDrf(
  app: FastifyInstance,
  tongue: Tongue,
): (url: string, name: string, actions: Partial<Record<'GET' | 'POST' | 'PUT', Action>>) => void {
  const manner: Manner = {
    name: tongue.name,
    tag: tongue.tag,
    requireAccessToken: requireAccessToken(tongue.scheme),
    refuse: refuseAsDrf(tongue),
    security: tongue.scheme === 'Token' ? 'token' : 'access',
  }
  app.addHook('onRequest', (request, reply, done) => {
    addHeaders(request, reply)
    done()
  })
  return (url, name, actions) => endpoint(app, manner, url, name, actions)
}

function addHeaders(request: FastifyRequest, reply: FastifyReply): void {
  const { allow } = request.routeOptions.config
  if (allow !== undefined) reply.header('allow', allow)
  const vary = reply.getHeader('vary')
  reply.header('vary', vary === undefined ? 'Accept' : `${String(vary)}, Accept`)
}
