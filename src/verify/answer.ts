import type { VerifyError, VerifyErrorCode } from './errors.ts'

/** What a caller is told. All bad tokens are one answer to the byte, so that nobody learns how far a forgery came. */
export interface Answer {
  readonly status: 401 | 503
  readonly headers: Readonly<Record<string, string>>
  /** JSON. */
  readonly body: string
}

const CHALLENGE = 'Bearer realm="keyturn"'

const MISSING = problem(401, 'token_missing', 'Send an access token: "Authorization: Bearer …".', {
  'www-authenticate': CHALLENGE,
})
const INVALID = problem(401, 'invalid_token', 'The access token is not valid, or not any more.', {
  'www-authenticate': `${CHALLENGE}, error="invalid_token"`,
})
const UNAVAILABLE = problem(503, 'unavailable', 'The access token cannot be verified now. Try again.', {
  'retry-after': '5',
})

const ANSWERS: Readonly<Record<VerifyErrorCode, Answer>> = {
  token_missing: MISSING,
  token_malformed: INVALID,
  typ_not_allowed: INVALID,
  alg_not_allowed: INVALID,
  kid_unknown: INVALID,
  signature_invalid: INVALID,
  claims_invalid: INVALID,
  issuer_wrong: INVALID,
  audience_wrong: INVALID,
  token_type_wrong: INVALID,
  token_expired: INVALID,
  token_not_yet_valid: INVALID,
  session_revoked: INVALID,
  keys_unavailable: UNAVAILABLE,
  revocations_stale: UNAVAILABLE,
}

/** The refusal as Keyturn itself words it: RFC 9457, with the challenge of RFC 6750 or, where it is no fault of the token, 503. */
export function answerTo(error: VerifyError): Answer {
  return ANSWERS[error.code]
}

function problem(
  status: Answer['status'],
  code: string,
  detail: string,
  more: Readonly<Record<string, string>>,
): Answer {
  const title = status === 401 ? 'Unauthorized' : 'Service Unavailable'
  const headers = { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...more }
  return { status, headers, body: JSON.stringify({ type: 'about:blank', title, status, detail, code }) }
}
