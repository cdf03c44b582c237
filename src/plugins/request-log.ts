import type { FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'

/**
 * One line per request that tells who operates what happened, and nothing that a request brought: the pattern of
 * the route, never the path, which may hold a token.
 */
export const requestLogPlugin = fp(
  async (app) => {
    app.addHook('onRequest', (request, reply, done) => {
      reply.header('x-request-id', request.id)
      done()
    })
    app.addHook('onResponse', (request, reply, done) => {
      const { method, routeOptions, accessClaims } = request
      request.log.info({
        method,
        route: routeOptions.url ?? 'unknown',
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ...(accessClaims && { user_id: accessClaims.user_id }),
      })
      done()
    })
  },
  { name: 'request-log' },
)

type Logger = NonNullable<Exclude<FastifyServerOptions['logger'], boolean>>

/** How the log shows what it is handed: an error by name, code and stack, never by the text of what failed. */
export const logSerializers: NonNullable<Logger['serializers']> = {
  req: ({ method, routeOptions }) => ({ method, route: routeOptions?.url }),
  err: (error) => describeError(error, 0),
}

const CAUSES_SHOWN = 3
/** Messages of these are ours or the engine's and quote no input; any other may hold what a user sent. */
const PLAIN_ERRORS = new Set([
  'AuthError',
  'StoreError',
  'MailError',
  'TypeError',
  'RangeError',
  'ReferenceError',
])

interface DescribedError extends Record<string, unknown> {
  readonly type: string
  readonly message: string
  readonly stack: string
}

function describeError(error: unknown, depth: number): DescribedError {
  if (!(error instanceof Error)) {
    return {
      type: typeof error,
      message: depth > 0 && typeof error === 'string' ? error : 'not an error',
      stack: '',
    }
  }
  const code: unknown = 'code' in error ? error.code : undefined
  const stack = error.stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? []
  return {
    type: error.name,
    message: PLAIN_ERRORS.has(error.name) ? error.message : 'not shown, for it may quote a request',
    code,
    stack: stack.map((line) => line.trim()).join(' | '),
    ...(error.cause !== undefined &&
      depth < CAUSES_SHOWN && { cause: describeError(error.cause, depth + 1) }),
  }
}
