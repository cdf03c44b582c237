import type { FastifyServerOptions } from 'fastify'

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
  return {
    type: error.name,
    message: PLAIN_ERRORS.has(error.name) ? error.message : 'not shown, for it may quote a request',
    code,
    stack: framesOf(error).join(' | '),
    ...(error.cause !== undefined &&
      depth < CAUSES_SHOWN && { cause: describeError(error.cause, depth + 1) }),
  }
}

/** The stack without the message before it, some lines of which may look like those of a stack. */
function framesOf({ stack = '', message }: Error): string[] {
  const start = stack.indexOf(message)
  if (start === -1) return []
  const lines = stack.slice(start + message.length).split('\n')
  return lines.filter((line) => /^\s+at /.test(line)).map((line) => line.trim())
}
