import type { FastifyServerOptions } from 'fastify'

type Logger = NonNullable<Exclude<FastifyServerOptions['logger'], boolean>>

/** How the log shows what it is handed: an error by name, code and stack, never by the text of what failed. */
export const logSerializers: NonNullable<Logger['serializers']> = {
  req: ({ method, routeOptions }) => ({ method, route: routeOptions?.url }),
  err: (error) => describeError(error, 0),
}

/**
 * What a line is handed, without what pino would make of it: for want of words it takes those of the error, it writes
 * out an error that stands under another name than `err` with all that Postgres put into it, and Fastify's own words
 * have the URL between quotes, tokens and all.
 */
export function sayPlainly([fields, words, ...rest]: readonly unknown[]): unknown[] {
  if (typeof fields === 'string') return [withoutQuoted(fields), words, ...rest]
  if (fields instanceof Error) return [{ err: fields }, 'an error']
  if (typeof fields !== 'object' || fields === null) return [fields, words, ...rest]
  const { err }: { err?: unknown } = fields
  const isOfError = err instanceof Error && (words === undefined || words === err.message)
  const text = typeof words === 'string' ? withoutQuoted(words) : words
  return [withoutErrors(fields), isOfError ? 'an error' : text, ...rest]
}

function withoutQuoted(words: string): string {
  return words.includes('"') ? words.replace(/".*"/s, '"…"') : words
}

/** The same fields where, as nearly always, none but `err` is an error. */
function withoutErrors(fields: object): object {
  // `err` has its serializer.
  const isStray = (name: string, value: unknown) => name !== 'err' && value instanceof Error
  if (!Object.values(fields).some((value) => isStray('', value))) return fields
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      isStray(name, value) ? describeError(value, 0) : value,
    ]),
  )
}

const CAUSES_SHOWN = 3
/** Messages of these are ours and quote no input; any other may hold what a user sent. */
const OUR_ERRORS = new Set(['AuthError', 'StoreError', 'MailError'])
/** Of the engine's messages, which quote names and values, as much as says what kind of mistake it was. */
const PLAIN_BEGINNING = /^Cannot (?:read|set) properties of (?:undefined|null)/

interface DescribedError extends Record<string, unknown> {
  readonly type: string
  readonly message: string
  readonly stack: string
}

function describeError(error: unknown, depth: number): DescribedError {
  if (!(error instanceof Error)) {
    return {
      type: typeof error,
      message: 'not an error',
      stack: '',
    }
  }
  const { name, message, cause } = error
  const code: unknown = 'code' in error ? error.code : undefined
  const isOurs = OUR_ERRORS.has(name)
  return {
    type: name,
    message: isOurs ? message : (PLAIN_BEGINNING.exec(message)?.[0] ?? NOT_SHOWN),
    ...(typeof code === 'string' && PLAIN_CODE.test(code) && { code }),
    stack: framesOf(error).join(' | '),
    ...(cause !== undefined &&
      depth < CAUSES_SHOWN && {
        // What an AuthError was caused by is told by a code, as the store has it.
        cause: isOurs && typeof cause === 'string' ? { message: cause } : describeError(cause, depth + 1),
      }),
  }
}

const NOT_SHOWN = 'not shown, for it may quote a request'
const PLAIN_CODE = /^[\w-]{1,60}$/

/** The stack without the message before it, some lines of which may look like those of a stack. */
function framesOf({ stack = '', message }: Error): string[] {
  const start = stack.indexOf(message)
  if (start === -1) return []
  const lines = stack.slice(start + message.length).split('\n')
  return lines.filter((line) => /^\s+at /.test(line)).map((line) => line.trim())
}
