import type { VerifyErrorCode } from './errors.ts'

/** The claims of an access token of Keyturn, copied by name. Times are seconds since 1970. */
export interface AccessClaims {
  readonly iss: string
  readonly aud: string
  /** The user id as text, for standards; `user_id` is the same as a number. */
  readonly sub: string
  readonly iat: number
  readonly exp: number
  readonly jti: string
  /** The session, a UUID: what a logout ends. */
  readonly sid: string
  readonly token_type: 'access'
  readonly user_id: number
  readonly username: string
  /** Empty where the account has none. */
  readonly email: string
  readonly email_verified: boolean
  readonly first_name: string
  readonly last_name: string
  readonly roles: readonly string[]
  /** The claims of PROFILE_CLAIMS that `profileClaims` names. */
  readonly profile: Readonly<Record<string, string | number | boolean>>
}

/** What a verifier expects of the claims. */
export interface Expectation {
  readonly issuer: string
  readonly audience: string
  readonly clockToleranceSeconds: number
  readonly maxLifetimeSeconds: number
  readonly profileClaims: readonly string[]
}

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/

/** What a payload says, and from when on. */
export interface ReadClaims {
  readonly claims: AccessClaims
  /** The later of `iat` and `nbf`, seconds since 1970. */
  readonly notBefore: number
}

/** The claims of a payload whose signature is good, or why they are believed at no time. */
export function readClaims(
  payload: Readonly<Record<string, unknown>>,
  expected: Expectation,
): ReadClaims | VerifyErrorCode {
  if (payload['iss'] !== expected.issuer) return 'issuer_wrong'
  if (payload['aud'] !== expected.audience) return 'audience_wrong'
  if (payload['token_type'] !== 'access') return 'token_type_wrong'
  const { iat, exp, nbf = iat } = payload
  if (!isTime(iat) || !isTime(exp) || !isTime(nbf)) return 'claims_invalid'
  // However the signing key leaked: no token made with it lives longer than one of Keyturn could.
  if (exp <= iat || exp - iat > expected.maxLifetimeSeconds) return 'claims_invalid'
  const times = { iss: expected.issuer, aud: expected.audience, iat, exp }
  const claims = person(payload, times, expected.profileClaims)
  return claims === undefined ? 'claims_invalid' : { claims, notBefore: Math.max(iat, nbf) }
}

/** Why claims are not believed at this moment, or `undefined`. */
export function judgeTime(
  { claims, notBefore }: ReadClaims,
  { clockToleranceSeconds }: Expectation,
  nowSeconds: number,
): VerifyErrorCode | undefined {
  if (claims.exp + clockToleranceSeconds <= nowSeconds) return 'token_expired'
  return notBefore - clockToleranceSeconds > nowSeconds ? 'token_not_yet_valid' : undefined
}

function person(
  payload: Readonly<Record<string, unknown>>,
  checked: Pick<AccessClaims, 'iss' | 'aud' | 'iat' | 'exp'>,
  profileClaims: readonly string[],
): AccessClaims | undefined {
  const { sub, jti, sid, user_id, username, email, email_verified, first_name, last_name, roles } = payload
  if (!isText(jti) || !isText(sid) || !UUID.test(sid)) return undefined
  if (!isWhole(user_id) || sub !== String(user_id)) return undefined
  if (!isText(username) || !isText(email) || typeof email_verified !== 'boolean') return undefined
  if (!isText(first_name) || !isText(last_name)) return undefined
  if (!Array.isArray(roles) || !roles.every(isText)) return undefined
  const names = { username, email, email_verified, first_name, last_name, roles: Object.freeze(roles) }
  const profile = Object.freeze(scalars(payload, profileClaims))
  // Frozen, because every request with the same token is given the same object.
  return Object.freeze({ ...checked, sub, jti, sid, token_type: 'access', user_id, ...names, profile })
}

function scalars(
  payload: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Record<string, string | number | boolean> {
  const values = names.flatMap((name) => {
    const value = Object.hasOwn(payload, name) ? payload[name] : undefined
    return isScalar(value) ? [[name, value] as const] : []
  })
  return Object.fromEntries(values)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function isTime(value: unknown): value is number {
  return isWhole(value) && value >= 0
}

function isScalar(value: unknown): value is string | number | boolean {
  return isText(value) || typeof value === 'number' || typeof value === 'boolean'
}
