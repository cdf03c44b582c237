import type { Answer } from './answer.ts'
import { answerTo } from './answer.ts'
import type { AccessClaims } from './claims.ts'
import type { Verifier } from './verifier.ts'

/** As much of a request as Fastify, Express, Connect and node:http have in common. */
interface IncomingRequest {
  readonly headers: { readonly authorization?: string | undefined }
}

/** As much of a Fastify reply as a refusal needs. */
interface FastifyReply {
  code(status: number): unknown
  headers(values: Record<string, string>): unknown
  send(body: string): unknown
}

/** As much of the response of Express, Connect and node:http as a refusal needs. */
interface ServerResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(body: string): unknown
}

const claimsByRequest = new WeakMap<object, AccessClaims>()

/**
 * The claims of a request that a guard let through.
 * @throws Error where none did: the route is not guarded
 */
export function claimsOf(request: object): AccessClaims {
  const claims = claimsByRequest.get(request)
  if (claims === undefined) throw new Error('no guard of keyturn/verify has let this request through')
  return claims
}

/** A hook for Fastify: `app.addHook('onRequest', guardFastify(verifier))`, or `onRequest` of one route. */
export function guardFastify(
  verifier: Pick<Verifier, 'verifyHeader'>,
): (request: IncomingRequest, reply: FastifyReply) => Promise<unknown> {
  return async (request, reply) => {
    const answer = await admit(verifier, request, request.headers.authorization)
    if (answer === undefined) return
    reply.code(answer.status)
    reply.headers({ ...answer.headers })
    return reply.send(answer.body)
  }
}

/** Middleware for Express and Connect: `app.use(guardConnect(verifier))`. */
export function guardConnect(
  verifier: Pick<Verifier, 'verifyHeader'>,
): (request: IncomingRequest, response: ServerResponse, next: (error?: unknown) => void) => void {
  return (request, response, next) => {
    admit(verifier, request, request.headers.authorization).then((answer) => {
      if (answer === undefined) return next()
      response.statusCode = answer.status
      for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value)
      response.end(answer.body)
    }, next)
  }
}

/** A handler of the Fetch API (Hono, Bun, Deno, workers) that is called for good tokens only. */
export function guardFetch<Rest extends readonly unknown[]>(
  verifier: Pick<Verifier, 'verifyHeader'>,
  handler: (request: Request, ...rest: Rest) => Response | Promise<Response>,
): (request: Request, ...rest: Rest) => Promise<Response> {
  return async (request, ...rest) => {
    const answer = await admit(verifier, request, request.headers.get('authorization'))
    if (answer === undefined) return handler(request, ...rest)
    return new Response(answer.body, { status: answer.status, headers: answer.headers })
  }
}

/** Remembers the claims of the request, or says how to refuse it. */
async function admit(
  verifier: Pick<Verifier, 'verifyHeader'>,
  request: object,
  authorization: string | null | undefined,
): Promise<Answer | undefined> {
  const { claims, error } = await verifier.verifyHeader(authorization)
  if (error !== undefined) return answerTo(error)
  claimsByRequest.set(request, claims)
  return undefined
}
