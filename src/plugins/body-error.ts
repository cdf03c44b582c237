/** What `BodyError.code` may be; each goes with one status. */
export type BodyErrorCode = 'malformed_body' | 'payload_too_large' | 'unsupported_media_type'

const codes = {
  400: 'malformed_body',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
} as const satisfies Record<400 | 413 | 415, BodyErrorCode>

/**
 * A request body that is refused before any schema has seen it: 400 malformed, 413 too large (RFC 9110
 * §15.5.14), 415 in a format that is not read here (RFC 9110 §15.5.16).
 *
 * `detail` (and `message`, the same text) tells the client what to do about it. It never holds a value from
 * the body, and a field's name only where `quoted` lets it through.
 */
export class BodyError extends Error {
  override readonly name = 'BodyError'
  readonly statusCode: 400 | 413 | 415
  readonly code: BodyErrorCode
  readonly detail: string

  constructor(statusCode: 400 | 413 | 415, detail: string) {
    super(detail)
    this.statusCode = statusCode
    this.code = codes[statusCode]
    this.detail = detail
  }
}

const takenTypes =
  'Send application/json, application/x-www-form-urlencoded or multipart/form-data, named in Content-Type.'

/** Fastify's own body errors, by code, in the words of this service. */
const fromFastify: ReadonlyMap<string, readonly [400 | 413 | 415, string]> = new Map([
  ['FST_ERR_CTP_BODY_TOO_LARGE', [413, 'The body is larger than this endpoint takes.']],
  ['FST_ERR_CTP_INVALID_MEDIA_TYPE', [415, takenTypes]],
  ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', [400, 'The body is not as long as its Content-Length header says.']],
  ['FST_ERR_CTP_EMPTY_JSON_BODY', [400, 'The body is empty; send a JSON object.']],
  ['FST_ERR_CTP_INVALID_JSON_BODY', [400, 'The body is not valid JSON.']],
])

/**
 * The body error that `error` is or stands for, so that an error handler has one thing to translate: a
 * `BodyError` itself, one of Fastify's `FST_ERR_CTP_*`, or a connection that broke while its body was being
 * read. Anything else is `undefined`.
 */
export function asBodyError(error: unknown): BodyError | undefined {
  if (error instanceof BodyError) return error
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  const known = fromFastify.get(error.code)
  if (known !== undefined) return new BodyError(...known)
  return isCutShort(error) ? cutShort() : undefined
}

/**
 * A body whose connection broke before its end; nobody is left to read the answer, but the log should not
 * call it a defect.
 */
export function cutShort(): BodyError {
  return new BodyError(400, 'The connection broke before the body was complete.')
}

/** The 415 for a body in a type that is not read here. */
export function unsupportedType(detail = takenTypes): BodyError {
  return new BodyError(415, detail)
}

/**
 * A field's name as a message may show it: quoted if short and plain, else only "a field", for it may be a
 * pasted secret.
 */
export function quoted(name: string): string {
  return /^[\w.$-]{1,40}$/.test(name) ? `"${name}"` : 'a field'
}

// Fastify puts status 400 on the stream's error, which a lost database connection never carries.
function isCutShort(error: Error & { code: unknown }): boolean {
  return error.code === 'ECONNRESET' && 'statusCode' in error && error.statusCode === 400
}
