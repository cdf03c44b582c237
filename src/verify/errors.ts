/** Every lawful "no" of a verifier. The last two say nothing about the token: they are about what could not be asked. */
export type VerifyErrorCode =
  | 'token_missing'
  | 'token_malformed'
  | 'typ_not_allowed'
  | 'alg_not_allowed'
  | 'kid_unknown'
  | 'signature_invalid'
  | 'claims_invalid'
  | 'issuer_wrong'
  | 'audience_wrong'
  | 'token_type_wrong'
  | 'token_expired'
  | 'token_not_yet_valid'
  | 'session_revoked'
  | 'keys_unavailable'
  | 'revocations_stale'

const MESSAGES: Readonly<Record<VerifyErrorCode, string>> = {
  token_missing: 'There is no "Authorization: Bearer …" header.',
  token_malformed: 'This is not a JWT as Keyturn writes one.',
  typ_not_allowed: 'The typ of an access token is at+jwt (RFC 9068).',
  alg_not_allowed: 'The algorithm is not that of the key which the token names (RFC 8725, 3.1).',
  kid_unknown:
    'The token names no key of the ring: a foreign one, one that was retired, or one not published yet.',
  signature_invalid: 'The signature was not made with the key that the token names.',
  claims_invalid: 'A claim is missing, or not of the form that Keyturn writes.',
  issuer_wrong: 'The token is of another issuer.',
  audience_wrong: 'The token is for another audience.',
  token_type_wrong: 'The token_type is not access.',
  token_expired: 'The token has expired.',
  token_not_yet_valid: 'The token is from the future: compare the clocks.',
  session_revoked: 'The session of the token has ended.',
  keys_unavailable: 'The keys could not be loaded, or are older than keysMaxStaleSeconds.',
  revocations_stale: 'The revocations are older than maxStaleSeconds, and onStale is closed.',
}

/**
 * Why a token is not believed. The code is for logs and counters: a caller is told no more than `answerTo` tells.
 * The message never quotes the token.
 */
export class VerifyError extends Error {
  override readonly name = 'VerifyError'
  readonly code: VerifyErrorCode

  constructor(code: VerifyErrorCode) {
    super(MESSAGES[code])
    this.code = code
  }
}
