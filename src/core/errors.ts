/** What was wrong with one field: a sentence for a person, per field name. */
export type FieldErrors = Readonly<Record<string, readonly string[]>>

/** Every lawful "no" of the service. A new code does not compile until every dialect can say it. */
export type AuthErrorCode =
  | 'validation_failed'
  | 'registration_closed'
  | 'invalid_credentials'
  | 'wrong_password'
  | 'account_not_verified'
  | 'account_disabled'
  | 'token_missing'
  | 'invalid_token'
  | 'refresh_invalid'
  | 'refresh_expired'
  | 'refresh_replayed'
  | 'refresh_overtaken'
  | 'session_revoked'
  | 'link_invalid'
  | 'not_found'
  | 'rate_limited'
  | 'unavailable'

/** A limit on how often something may be done: `most` times in each window of so many seconds. */
export interface Limit {
  readonly name: string
  readonly most: number
  readonly windowSeconds: number
}

/** What a refusal may carry besides its code. */
export interface AuthErrorDetails {
  /** Only with `validation_failed`. */
  readonly fields?: FieldErrors
  /** Only with `rate_limited` and `unavailable`: when to try again, in seconds. */
  readonly retryAfterSeconds?: number
  /** Only with `rate_limited`: the limit that is used up. */
  readonly limit?: Limit
  /** The defect below, for the log; never for the answer. */
  readonly cause?: unknown
}

/**
 * A lawful "no": the request was understood and is refused. It knows no status and no wording, those belong
 * to the dialect that answers. Anything else that is thrown is a defect.
 */
export class AuthError extends Error {
  override readonly name = 'AuthError'
  readonly code: AuthErrorCode
  readonly fields: FieldErrors | undefined
  readonly retryAfterSeconds: number | undefined
  readonly limit: Limit | undefined

  constructor(code: AuthErrorCode, details: AuthErrorDetails = {}) {
    super(code, { cause: details.cause })
    this.code = code
    this.fields = details.fields
    this.retryAfterSeconds = details.retryAfterSeconds
    this.limit = details.limit
  }
}
