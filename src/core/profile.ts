import type { Profile } from './ports.ts'

/** What profiles may hold, beyond Keyturn's own fields. */
export interface ProfileRules {
  /** What is wrong with a profile, field by field; empty when nothing is. */
  faults(profile: Profile): Record<string, string[]>
  /** The same fields under the names that the profile is kept by: `organizationType` for `organisation_type`. */
  normalize(fields: Profile): Profile
  /** The fields that go into access tokens. */
  claims(profile: Profile): Profile
}

const FIELDS_MAX = 32
const BYTES_MAX = 8192

/** Names that mean something to Keyturn, to a token or to the services that read one. */
const RESERVED_NAMES = new Set(
  (
    'id pk sub sid jti gen own iss aud iat exp nbf typ kid alg token_type user_id username email email_verified ' +
    'is_active is_admin is_staff is_superuser is_authenticated admin role roles groups permissions scope token access ' +
    'refresh token_version session_id first_name last_name created_at date_joined last_login profile __proto__ ' +
    'constructor prototype'
  ).split(' '),
)

/** Whether a profile field may not have this name: it is ours, or it would keep a password in clear. */
export function isReservedName(name: string): boolean {
  return RESERVED_NAMES.has(name.toLowerCase()) || /password/i.test(name)
}

/** Without PROFILE_SCHEMA_FILE: any scalars, up to a bound. */
export const anyProfile: ProfileRules = {
  faults: (profile) => ({ ...reservedNames(profile), ...tooMuch(profile) }),
  normalize: (fields) => fields,
  claims: () => ({}),
}

/** A complaint about each name that is reserved. */
export function reservedNames(profile: Profile): Record<string, string[]> {
  const reserved = Object.keys(profile).filter(isReservedName)
  return Object.fromEntries(
    reserved.map((name) => [name, ['This name is reserved and cannot be a profile field.']]),
  )
}

/** A complaint when the profile is larger than any may be. */
export function tooMuch(profile: Profile): Record<string, string[]> {
  if (Object.keys(profile).length > FIELDS_MAX)
    return { profile: [`A profile may have up to ${FIELDS_MAX} fields.`] }
  if (Buffer.byteLength(JSON.stringify(profile)) > BYTES_MAX)
    return { profile: [`A profile may take up to ${BYTES_MAX} bytes.`] }
  return {}
}
