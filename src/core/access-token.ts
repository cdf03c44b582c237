import { timingSafeEqual } from 'node:crypto'
import { v4 as uuidV4 } from 'uuid'
import { createDoorkeeper } from './doorkeeper.ts'
import type { Account, Bearer, JwtSigner, RevokedSessions, SeenGenerations } from './ports.ts'
import type { ProfileRules } from './profile.ts'
import { createRecent } from './recent.ts'
import type { ServerKeys } from './server-keys.ts'

/** The claims of an access token; `iss`, `aud`, `typ` and `kid` are the signer's. Times are seconds since 1970. */
export interface AccessClaims {
  readonly iss: string
  readonly aud: string
  readonly sub: string
  readonly iat: number
  readonly exp: number
  readonly jti: string
  readonly sid: string
  readonly gen: number
  readonly token_type: 'access'
  readonly user_id: number
  readonly username: string
  readonly email: string
  readonly email_verified: boolean
  readonly first_name: string
  readonly last_name: string
  readonly roles: readonly string[]
  readonly own: string
}

/** Whom the token speaks for, as the database is asked about it. */
export function bearerOf({ user_id: userId, sid: sessionId }: AccessClaims): Bearer {
  return { userId, sessionId }
}

/** What a session is handed at one of its generations. */
export interface MintedTokens {
  readonly token: string
  /** The life of each, in seconds. */
  readonly expiresIn: number
  /** The end of each, seconds since 1970. */
  readonly expiresAt: number
  /** One for each audience that was asked for, in that order. */
  readonly forAudiences: readonly (readonly [audience: string, token: string])[]
}

export interface AccessTokens {
  /**
   * Tokens of the session at this generation: ours, and one for each of the other audiences. With `lifeSeconds` they
   * live exactly so long, without it ACCESS_TTL, or a little less.
   */
  mint(
    account: Account,
    sessionId: string,
    generation: number,
    wanted?: { readonly otherAudiences?: readonly string[]; readonly lifeSeconds?: number | undefined },
  ): MintedTokens
  /** The claims of a living token that Keyturn itself minted; `undefined` for any other. Synchronous, no database. */
  verify(token: string): AccessClaims | undefined
  /** Forgets which tokens were found good: a key has left the ring, and what it signed is good no longer. */
  forget(): void
}

export interface AccessTokenNeeds {
  readonly jwt: JwtSigner
  readonly keys: ServerKeys
  readonly revoked: RevokedSessions
  readonly seen: SeenGenerations
  readonly now: () => number
  readonly random: () => number
  readonly profiles: Pick<ProfileRules, 'claims'>
  readonly issuer: string
  readonly audience: string
  readonly ttlSeconds: number
  /** The longest life of any access token, for as long as which revocations are remembered; `ttlSeconds` if left out. */
  readonly longestTtlSeconds?: number
}

/** A token is shorter-lived by up to this share, at random, so that clients do not all come back at once. */
const TTL_JITTER = 0.05
const REMEMBERED_MAX = 10_000
/** Sightings of tokens, of which one is kept in full when it comes for the second time. */
const SIGHTINGS = 2 ** 15
/** A token of ours is far below this; whatever is longer is not worth decoding. */
const TOKEN_MAX_LENGTH = 4096
const TOKEN_FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** Of an HMAC-SHA-256 in base64url; the end of any other signature is as good a name for its token. */
const SIGNATURE_LENGTH = 43
const OWN_BYTES = 16
const OWN_SUFFIX = /,"own":"([A-Za-z0-9_-]{22})"\}$/

/**
 * Access tokens for Keyturn's own endpoints. Whoever holds a shared JWT secret can sign a token, so a signature
 * alone is not obeyed here: `own`, the last claim, is a MAC under a server secret over the JSON text of all the
 * claims before it. Not one of them can be changed by a service that holds the shared secret.
 *
 * Tokens found good twice are remembered in a bounded map; expiry and revocation are checked on every use all the same.
 */
export function createAccessTokens(needs: AccessTokenNeeds): AccessTokens {
  const { jwt, keys, revoked, seen, now, random, longestTtlSeconds = needs.ttlSeconds } = needs
  const remembered = createRecent<{ readonly token: string; readonly claims: AccessClaims }>(REMEMBERED_MAX)
  const hasComeBefore = createDoorkeeper(SIGHTINGS)

  function alive(claims: AccessClaims): AccessClaims | undefined {
    if (claims.exp * 1000 <= now() || revoked.has(claims.sid)) return undefined
    // Older than its setting was made shorter: revocations are remembered only as long as a token may live now.
    if (claims.exp - claims.iat > longestTtlSeconds) return undefined
    seen.note(claims.sid, claims.gen)
    return claims
  }

  return {
    mint(account, sessionId, generation, { otherAudiences = [], lifeSeconds } = {}) {
      const iat = Math.floor(now() / 1000)
      const expiresIn = Math.max(1, lifeSeconds ?? Math.floor(needs.ttlSeconds * (1 - random() * TTL_JITTER)))
      const expiresAt = iat + expiresIn
      const claims: Omit<AccessClaims, 'own'> = {
        // First, so that whatever they are called they cannot stand in for one of ours.
        ...needs.profiles.claims(account.profile),
        iss: needs.issuer,
        aud: needs.audience,
        sub: String(account.id),
        iat,
        exp: expiresAt,
        jti: uuidV4(),
        sid: sessionId,
        gen: generation,
        token_type: 'access',
        user_id: account.id,
        username: account.username,
        email: account.email,
        email_verified: account.emailVerified,
        first_name: account.firstName,
        last_name: account.lastName,
        roles: account.roles,
      }
      const unclosed = JSON.stringify(claims).slice(0, -1)
      const own = keys.macWithCurrent('own', unclosed, OWN_BYTES).toString('base64url')
      const token = jwt.sign(`${unclosed},"own":"${own}"}`)
      const forAudiences = otherAudiences.map((aud): [string, string] => {
        // Without `own`, which is a mark for Keyturn alone.
        return [aud, jwt.signFor(aud, JSON.stringify({ ...claims, aud, jti: uuidV4() }))]
      })
      return { token, expiresIn, expiresAt, forAudiences }
    },

    verify(token) {
      // Found by the end of its signature, because a map would first have to hash all of the token.
      const signatureEnd = token.slice(-SIGNATURE_LENGTH)
      const known = remembered.get(signatureEnd)
      if (known !== undefined && known.token === token) return alive(known.claims)
      if (token.length > TOKEN_MAX_LENGTH || !TOKEN_FORM.test(token)) return undefined
      // Our own mark first: it costs a tenth of what some signatures cost, and no forger gets past it.
      const [, encoded = ''] = token.split('.', 2)
      const payload = Buffer.from(encoded, 'base64url').toString()
      if (!isOwn(keys, payload) || !jwt.verify(token)) return undefined
      const claims = JSON.parse(payload) as AccessClaims
      if (hasComeBefore(signatureEnd)) remembered.set(signatureEnd, { token, claims })
      return alive(claims)
    },

    forget: () => remembered.clear(),
  }
}

/** Whether the payload, to the byte, is one that Keyturn wrote. */
function isOwn(keys: ServerKeys, payload: string): boolean {
  const suffix = OWN_SUFFIX.exec(payload)
  if (suffix?.[1] === undefined) return false
  const mac = Buffer.from(suffix[1], 'base64url')
  return keys
    .macWithEach('own', payload.slice(0, suffix.index), OWN_BYTES)
    .some((expected) => timingSafeEqual(expected, mac))
}
