import type { Profile } from './ports.ts'

/** What profiles may hold, beyond Keyturn's own fields. */
export interface ProfileRules {
  /** What is wrong with a profile, field by field; empty when nothing is. */
  faults(profile: Profile): Record<string, string[]>
  /** The same fields under the names that the profile is kept by: `organizationType` for `organisation_type`. */
  normalize(fields: Profile): Profile
  /** The fields that go into access tokens. Never one of a reserved name, and never more than a token has room for. */
  claims(profile: Profile): Profile
}

const FIELDS_MAX = 32
const BYTES_MAX = 8192
const NAME_MAX_LENGTH = 64
/** All that profiles put into a token, as JSON: beside the longest names it must stay within what is verified. */
const CLAIMS_MAX_BYTES = 512

/** Names that mean something to Keyturn, to a token or to the services that read one. */
const RESERVED_NAMES = new Set(
  (
    'id pk sub sid jti gen own iss aud iat exp nbf typ kid alg azp amr acr auth_time nonce cnf act may_act client_id ' +
    'token_type user_id username email email_verified is_active is_admin is_staff is_superuser is_authenticated ' +
    'is_verified is_disabled admin superuser verified role roles groups permissions scope scopes entitlements token ' +
    'access refresh token_version session_id first_name last_name created_at date_joined last_login profile ' +
    'non_field_errors __proto__ constructor prototype'
  )
    .split(' ')
    .map(foldName),
)

/**
 * Whether a profile field may not have this name: it is ours, or would be taken for ours in whatever way it is spelled
 * (`isAdmin`), or it would keep a password in clear.
 */
export function isReservedName(name: string): boolean {
  return RESERVED_NAMES.has(foldName(name)) || foldName(name).includes('password')
}

/** Without PROFILE_SCHEMA_FILE: any scalars, up to a bound; those named in PROFILE_CLAIMS go into tokens. */
export function freeProfile(claimNames: readonly string[]): ProfileRules {
  return {
    faults: (profile) => generalFaults(profile, claimNames),
    normalize: (fields) => fields,
    claims: (profile) => pickClaims(profile, claimNames),
  }
}

/** What is wrong with any profile, whatever its schema says. */
export function generalFaults(profile: Profile, claimNames: readonly string[]): Record<string, string[]> {
  return { ...unfitForToken(profile, claimNames), ...badNames(profile), ...tooMuch(profile) }
}

/** The fields that go into tokens, in their order, each as long as there is room for it. */
export function pickClaims(profile: Profile, claimNames: readonly string[]): Profile {
  const claims: Record<string, Profile[string]> = {}
  let room = CLAIMS_MAX_BYTES
  for (const name of claimNames) {
    const value = Object.hasOwn(profile, name) ? profile[name] : undefined
    if (value === undefined || isReservedName(name)) continue
    const size = Buffer.byteLength(JSON.stringify({ [name]: value }))
    if (size > room) continue
    claims[name] = value
    room -= size
  }
  return claims
}

/** Told when it is written, for whoever reads tokens would miss the field without a word. */
function unfitForToken(profile: Profile, claimNames: readonly string[]): Record<string, string[]> {
  const fitting = pickClaims(profile, claimNames)
  const unfit = claimNames.filter((name) => Object.hasOwn(profile, name) && !Object.hasOwn(fitting, name))
  return Object.fromEntries(
    unfit.map((name) => [
      name,
      ['This field goes into access tokens, which have no room for all of it. Shorten it.'],
    ]),
  )
}

function badNames(profile: Profile): Record<string, string[]> {
  const faults: Record<string, string[]> = {}
  for (const name of Object.keys(profile)) {
    if (isReservedName(name)) {
      faults[shownName(name)] = ['This name is reserved and cannot be a profile field.']
    } else if (!/^[^\p{Cc}\p{Cs}]+$/u.test(name) || [...name].length > NAME_MAX_LENGTH) {
      faults[shownName(name)] = [
        `The name of a profile field has 1 to ${NAME_MAX_LENGTH} characters, and no control characters.`,
      ]
    }
  }
  return faults
}

function tooMuch(profile: Profile): Record<string, string[]> {
  if (Object.keys(profile).length > FIELDS_MAX)
    return { profile: [`A profile may have up to ${FIELDS_MAX} fields.`] }
  if (Buffer.byteLength(JSON.stringify(profile)) > BYTES_MAX)
    return { profile: [`A profile may take up to ${BYTES_MAX} bytes.`] }
  return {}
}

/** A name comes from the sender, who may have pasted a secret in its place. */
export function shownName(name: string): string {
  return /^[\w.$-]{1,40}$/.test(name) && name !== '__proto__' ? name : 'profile'
}

/** A name without what tells one spelling from another: case, width, and what stands between its words. */
function foldName(name: string): string {
  return name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '')
}
