import type { FastifyRequest } from 'fastify'
import type { FieldErrors } from '../../core/errors.ts'
import type { Refusal, RefusalCode, Said, Wording } from '../../plugins/refusal.ts'

/** Words for a header that holds the scheme and no token, or more than one, beside those for a token that is no good. */
export function tokenWords(bad: Said, { none, many }: { readonly none: Said; readonly many: Said }): Wording {
  return (_refusal, { headers }) => {
    const parts = (headers.authorization ?? '').trim().split(/\s+/)
    if (parts.length === 2) return bad
    return parts.length === 1 ? none : many
  }
}

/** How a dialect says every refusal. A code without words does not compile. */
export type Words = Readonly<Record<RefusalCode, Wording>>

/** `{"detail": …}`, in which Django REST Framework says most of its refusals. */
export function detail(status: number, text: string, code?: string): Said {
  return { status, body: { detail: text, ...(code !== undefined && { code }) } }
}

const TOKEN_NOT_VALID = detail(401, 'Token is invalid or expired', 'token_not_valid')

/** The words of Django REST Framework; a dialect puts its own over those that its clients know otherwise. */
export const DRF_WORDS: Words = {
  validation_failed: (refusal, request) => ({ status: 400, body: fieldsOf(refusal, request) }),
  wrong_password: (refusal, request) => ({ status: 400, body: fieldsOf(refusal, request) }),
  bad_request: detail(400, 'Malformed request.'),
  malformed_body: (refusal, request) => detail(400, parseError(refusal, request)),
  payload_too_large: detail(413, 'The body is too large.'),
  unsupported_media_type: (_refusal, request) =>
    detail(415, `Unsupported media type "${shownType(request)}" in request.`),
  link_invalid: detail(400, 'Invalid token.'),
  token_missing: detail(401, 'Authentication credentials were not provided.'),
  invalid_token: tokenWords(detail(401, 'Invalid token.'), {
    none: detail(401, 'Invalid token header. No credentials provided.'),
    many: detail(401, 'Invalid token header. Token string should not contain spaces.'),
  }),
  // Of services, which speak to our own endpoints alone.
  invalid_client: detail(401, 'Invalid token.'),
  invalid_credentials: detail(401, 'Incorrect authentication credentials.'),
  account_not_verified: detail(401, 'User inactive or deleted.'),
  account_disabled: detail(401, 'User inactive or deleted.'),
  refresh_invalid: TOKEN_NOT_VALID,
  refresh_expired: TOKEN_NOT_VALID,
  session_revoked: TOKEN_NOT_VALID,
  refresh_replayed: TOKEN_NOT_VALID,
  // No 401: to these clients that means signed out, and a newer token stands in their storage.
  refresh_overtaken: detail(409, 'Newer tokens have been handed out meanwhile.', 'token_overtaken'),
  origin_refused: detail(403, 'You do not have permission to perform this action.'),
  registration_closed: detail(403, 'Registration is closed.'),
  not_found: detail(404, 'Not found.'),
  method_not_allowed: (_refusal, { method }) => detail(405, `Method "${method}" not allowed.`),
  rate_limited: ({ retryAfterSeconds = 1 }) => detail(429, throttled(retryAfterSeconds)),
  internal_error: detail(500, 'A server error occurred.'),
  unavailable: detail(503, 'Service temporarily unavailable, try again later.'),
}

/** One answer to every sign-in that failed: nobody is told that an account is there and may not be signed in to. */
export function refusedSignIn(said: Said) {
  return { invalid_credentials: said, account_not_verified: said, account_disabled: said }
}

/** The words for this refusal: those of its route, else those of the dialect. */
export function say(words: Words, refusal: Refusal, request: FastifyRequest): Said {
  const wording = request.routeOptions.config.words?.[refusal.code] ?? words[refusal.code]
  return typeof wording === 'function' ? wording(refusal, request) : wording
}

/** What is wrong, field by field, with Django's sentences for what is no object and for null. */
export function fieldsOf({ fields = {} }: Refusal, { body }: FastifyRequest): FieldErrors {
  if (body !== undefined && !isObject(body)) {
    return { non_field_errors: [`Invalid data. Expected a dictionary, but got ${pythonType(body)}.`] }
  }
  return Object.fromEntries(
    Object.entries(fields).map(([field, messages]) => [
      field,
      isObject(body) && Object.hasOwn(body, field) && body[field] === null
        ? ['This field may not be null.']
        : messages,
    ]),
  )
}

export function throttled(seconds: number): string {
  return `Request was throttled. Expected available in ${seconds} second${seconds === 1 ? '' : 's'}.`
}

function parseError({ detail: found = 'Malformed request.' }: Refusal, { headers }: FastifyRequest): string {
  const type = headers['content-type'] ?? ''
  if (type.startsWith('application/json')) return `JSON parse error - ${found}`
  return type.startsWith('multipart/') ? `Multipart form parse error - ${found}` : found
}

/** A header comes from the sender, who may have pasted a secret in its place. */
function shownType({ headers }: FastifyRequest): string {
  const type = headers['content-type'] ?? ''
  return /^[\w.+-]{1,40}\/[\w.+-]{1,80}(?:; ?charset=[\w-]{1,20})?$/.test(type) ? type : ''
}

function pythonType(value: unknown): string {
  if (value === null) return 'NoneType'
  if (Array.isArray(value)) return 'list'
  if (typeof value === 'string') return 'str'
  if (typeof value === 'boolean') return 'bool'
  return Number.isInteger(value) ? 'int' : 'float'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
