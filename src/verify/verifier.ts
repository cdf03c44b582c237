import { compactVerify } from 'jose'
import type { AccessClaims, ReadClaims } from './claims.ts'
import { judgeTime, readClaims } from './claims.ts'
import type { VerifyErrorCode } from './errors.ts'
import { VerifyError } from './errors.ts'
import type { Fetch } from './fetch-json.ts'
import { fetchJson } from './fetch-json.ts'
import type { LoadedKeys } from './key-cache.ts'
import { createKeyCache } from './key-cache.ts'
import type { Algorithm, VerificationKey } from './keyring.ts'
import { jwksKeyring, secretKeyring } from './keyring.ts'
import { createMemory } from './memory.ts'
import type { VerifierOptions } from './options.ts'
import { completeOptions } from './options.ts'
import { createRevocationFeed } from './revocation-feed.ts'
import { readForm, readJson } from './token-form.ts'

/** Claims, or why there are none. */
export type VerifyResult =
  | { readonly claims: AccessClaims; readonly error?: undefined }
  | { readonly claims?: undefined; readonly error: VerifyError }

export interface Verifier {
  /** What an access token says, if it is one. Never rejects. */
  verify(token: string): Promise<VerifyResult>
  /** The same for the value of an `Authorization` header (RFC 6750, 2.1); other schemes count as none. */
  verifyHeader(authorization: string | null | undefined): Promise<VerifyResult>
  /** Resolves once keys and revocations are there. @throws what the first try to fetch them threw */
  ready(): Promise<void>
  /** For metrics and health checks. An age counts from the last answer; `undefined` before the first. */
  state(): VerifierState
  /** Ends the long poll. The process does not exit by itself before. */
  close(): void
}

export interface VerifierState {
  readonly keysAgeSeconds: number | undefined
  readonly revocationsAgeSeconds: number | undefined
  readonly revokedSessions: number
}

const JWKS_TIMEOUT_SECONDS = 5
const JWKS_MAX_BYTES = 256 * 1024
const SHARED: ReadonlySet<string> = new Set(['HS256'] satisfies Algorithm[])
const PUBLIC: ReadonlySet<string> = new Set(['EdDSA', 'ES256', 'RS256'] satisfies Algorithm[])

/**
 * Verifies access tokens of Keyturn (RFC 9068 in form, RFC 8725 in manner) without asking it for each: with shared keys
 * (HS256) or public ones (EdDSA, ES256, RS256), and with the feed of ended sessions where it is told of one.
 * @throws TypeError for options that cannot work
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const { source, revocations, expected, keysMaxStaleSeconds, onProblem, fetch, now, random } =
    completeOptions(options)
  const algorithms = 'jwksUrl' in source ? PUBLIC : SHARED
  const remembered = createMemory()
  const keys = createKeyCache({
    load: () => ('jwksUrl' in source ? loadJwks(source.jwksUrl, fetch) : loadSecrets(source.secrets)),
    now,
    maxStaleSeconds: keysMaxStaleSeconds,
    onProblem: (error) => tell('keys', error),
  })
  const feed =
    revocations &&
    createRevocationFeed({
      ...revocations,
      clockToleranceSeconds: expected.clockToleranceSeconds,
      fetch,
      now,
      random,
      onProblem: (error) => tell('revocations', error),
    })

  function tell(about: 'keys' | 'revocations', error: unknown): void {
    try {
      onProblem(about, error)
    } catch {
      // A logger that fails must not end the feed.
    }
  }

  async function judge(token: string): Promise<AccessClaims | VerifyErrorCode> {
    const known = remembered.get(token)
    const form = known?.form ?? readForm(token)
    if (typeof form === 'string') return form
    // Before the ring is asked: a token of no algorithm of ours must not make it fetch.
    if (!algorithms.has(form.alg)) return 'alg_not_allowed'
    const key = await keys.find(form.kid)
    if (key === 'unknown') return 'kid_unknown'
    if (key === 'unavailable') return 'keys_unavailable'
    if (key.alg !== form.alg) return 'alg_not_allowed'
    // By the key itself: one that was replaced under its name is another.
    const read = known?.key === key ? known.read : await readSigned(token, key)
    if (typeof read === 'string') return read
    remembered.set(token, { form, key, read })
    return judgeTime(read, expected, now() / 1000) ?? (await judgeSession(read.claims))
  }

  async function readSigned(
    token: string,
    { alg, key }: VerificationKey,
  ): Promise<ReadClaims | VerifyErrorCode> {
    const bytes = await compactVerify(token, key, { algorithms: [alg] }).then(
      ({ payload }) => payload,
      () => undefined,
    )
    if (bytes === undefined) return 'signature_invalid'
    const payload = readJson(bytes)
    return payload === undefined ? 'claims_invalid' : readClaims(payload, expected)
  }

  async function judgeSession(claims: AccessClaims): Promise<AccessClaims | VerifyErrorCode> {
    if (feed === undefined) return claims
    const { revoked, fresh } = await feed.look(claims.sid)
    if (revoked) return 'session_revoked'
    return fresh || revocations?.onStale === 'open' ? claims : 'revocations_stale'
  }

  async function verify(token: string): Promise<VerifyResult> {
    const outcome = await judge(token)
    return typeof outcome === 'string' ? { error: new VerifyError(outcome) } : { claims: outcome }
  }

  return {
    verify,
    async verifyHeader(authorization) {
      const [, given] = /^Bearer(?: (.*))?$/i.exec(authorization ?? '') ?? [undefined, null]
      return given === null ? { error: new VerifyError('token_missing') } : verify(given ?? '')
    },
    ready: async () => void (await Promise.all([keys.ready(), feed?.ready()])),
    state: () => ({
      keysAgeSeconds: keys.ageSeconds(),
      revocationsAgeSeconds: feed?.ageSeconds(),
      revokedSessions: feed?.size ?? 0,
    }),
    close: () => feed?.close(),
  }
}

async function loadSecrets(secrets: string | (() => string | Promise<string>)): Promise<LoadedKeys> {
  return { keys: await secretKeyring(typeof secrets === 'string' ? secrets : await secrets()) }
}

async function loadJwks(url: URL, fetch: Fetch): Promise<LoadedKeys> {
  const { headers, body } = await fetchJson({
    fetch,
    url,
    timeoutSeconds: JWKS_TIMEOUT_SECONDS,
    maxBytes: JWKS_MAX_BYTES,
  })
  const [, seconds] =
    /(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])/i.exec(headers.get('cache-control') ?? '') ?? []
  return { keys: await jwksKeyring(body), maxAgeSeconds: seconds === undefined ? undefined : Number(seconds) }
}
