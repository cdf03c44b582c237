import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Refusal, RefusalCode } from '../../plugins/refusal.ts'
import { WORDS } from '../canonical/errors.ts'

/** The codes of RFC 6749, 4.1.2.1 and 5.2. Of them `invalid_grant` alone means that the session is over. */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'unsupported_grant_type'
  | 'temporarily_unavailable'
  | 'server_error'

/** A refusal as RFC 6749, 5.2 has it. */
export const OAuthError = Type.Object({
  error: Type.String({ description: 'A code of RFC 6749; decide by this' }),
  error_description: Type.String({ description: 'What happened and what to do' }),
})

const ERRORS: Readonly<Record<RefusalCode, readonly [status: number, error: OAuthErrorCode]>> = {
  validation_failed: [400, 'invalid_request'],
  bad_request: [400, 'invalid_request'],
  malformed_body: [400, 'invalid_request'],
  payload_too_large: [413, 'invalid_request'],
  unsupported_media_type: [415, 'invalid_request'],
  link_invalid: [400, 'invalid_request'],
  token_missing: [401, 'invalid_client'],
  invalid_token: [401, 'invalid_client'],
  invalid_client: [401, 'invalid_client'],
  invalid_credentials: [400, 'invalid_grant'],
  wrong_password: [400, 'invalid_grant'],
  account_not_verified: [400, 'invalid_grant'],
  account_disabled: [400, 'invalid_grant'],
  refresh_invalid: [400, 'invalid_grant'],
  refresh_expired: [400, 'invalid_grant'],
  refresh_replayed: [400, 'invalid_grant'],
  session_revoked: [400, 'invalid_grant'],
  // Not invalid_grant, on which a client signs its user out: the session lives, and a newer token is in the storage.
  refresh_overtaken: [409, 'temporarily_unavailable'],
  origin_refused: [403, 'invalid_request'],
  registration_closed: [400, 'invalid_request'],
  not_found: [404, 'invalid_request'],
  method_not_allowed: [405, 'invalid_request'],
  rate_limited: [429, 'temporarily_unavailable'],
  unavailable: [503, 'temporarily_unavailable'],
  internal_error: [500, 'server_error'],
}

/** Answers by RFC 6749, 5.2; a 401 with its challenge. */
export function refuseWithOAuthError(
  refusal: Refusal,
  _request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const { code, fields = {}, retryAfterSeconds } = refusal
  const [status, error] = ERRORS[code]
  if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds)
  const faults = Object.entries(fields).map(([field, sentences]) => `${field}: ${sentences.join(' ')}`)
  const description = faults.length > 0 ? faults.join(' ') : (refusal.detail ?? WORDS[code].detail)
  return sendOAuthError(reply, status, error, description)
}

/** The same for what only OAuth can refuse. */
export function sendOAuthError(
  reply: FastifyReply,
  status: number,
  error: OAuthErrorCode,
  description: string,
): FastifyReply {
  if (status === 401) reply.header('www-authenticate', 'Basic realm="keyturn", charset="UTF-8"')
  return reply
    .code(status)
    .headers({ 'cache-control': 'no-store', pragma: 'no-cache' })
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send({ error, error_description: spelled(description) })
}

/** RFC 6749, 5.2: printable ASCII without the double quote and the backslash. */
function spelled(description: string): string {
  return description
    .replaceAll('"', "'")
    .replace(/[^\x20-\x5b\x5d-\x7e]/g, ' ')
    .trim()
}
