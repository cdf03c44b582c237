import type { CryptoKey, JWK } from 'jose'
import { base64url, CompactSign, exportJWK, generateKeyPair } from 'jose'
import type { AccessClaims } from './claims.ts'
import type { Fetch } from './fetch-json.ts'
import type { Algorithm } from './keyring.ts'
import type { VerifierOptions } from './options.ts'

export interface TestIssuerOptions {
  /** Default HS256. */
  readonly algorithm?: Algorithm | undefined
  /** Default `https://keyturn.test`. Nothing is fetched from there. */
  readonly issuer?: string | undefined
  /** Default `keyturn`. */
  readonly audience?: string | undefined
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: (() => number) | undefined
}

/** What a token of a test says; each claim may be anything, or `undefined` for not there. */
export type TestClaims = { readonly [name in keyof AccessClaims]?: unknown } & Readonly<
  Record<string, unknown>
>

/** Stands in for Keyturn in the tests of a service: mints tokens, publishes their key, ends sessions. No network. */
export interface TestIssuer {
  /** For `createVerifier`: with `secrets`, or with `jwksUrl` and a `fetch` that answers it. It follows `revoke`. */
  readonly verifierOptions: VerifierOptions
  /** A token of a user `ada` with id 1, good for 15 minutes, but for what you say. */
  mint(claims?: TestClaims, header?: { readonly kid?: string; readonly typ?: string }): Promise<string>
  /** Ends the session: a verifier with `verifierOptions` refuses its tokens within a second. */
  revoke(sessionId: string): void
}

const KID = 'test'
const LIFE_SECONDS = 900

export async function createTestIssuer(options: TestIssuerOptions = {}): Promise<TestIssuer> {
  const {
    algorithm = 'HS256',
    issuer = 'https://keyturn.test',
    audience = 'keyturn',
    now = Date.now,
  } = options
  const key = await makeKey(algorithm)
  const feed = createFeed(now)
  const jwksUrl = 'https://keyturn.test/.well-known/jwks.json'
  const fetch: Fetch = async (input, init) =>
    String(input) === jwksUrl
      ? Response.json({ keys: key.jwk === undefined ? [] : [key.jwk] })
      : feed.answer(new URL(String(input)), init?.signal)
  const common = {
    issuer,
    audience,
    now,
    fetch,
    revocations: {
      url: 'https://keyturn.test/revocations',
      clientId: 'test',
      clientSecret: 'test',
      onStale: 'closed',
    },
  } as const

  return {
    verifierOptions: key.secrets === undefined ? { ...common, jwksUrl } : { ...common, secrets: key.secrets },
    revoke: feed.revoke,
    mint(claims = {}, header = {}) {
      const iat = Math.floor(now() / 1000)
      const times = { iat, exp: iat + LIFE_SECONDS }
      const names = { iss: issuer, aud: audience, sub: String(claims.user_id ?? PERSON.user_id) }
      const payload = JSON.stringify({ ...names, ...times, ...ids(), ...PERSON, ...claims })
      return new CompactSign(new TextEncoder().encode(payload))
        .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid: KID, ...header })
        .sign(key.signs)
    },
  }
}

const PERSON = {
  user_id: 1,
  username: 'ada',
  email: 'ada@example.com',
  email_verified: true,
  first_name: 'Ada',
  last_name: 'Lovelace',
  roles: [],
}

function ids() {
  return { jti: crypto.randomUUID(), sid: crypto.randomUUID(), gen: 0, token_type: 'access' }
}

async function makeKey(algorithm: Algorithm): Promise<{
  readonly signs: CryptoKey | Uint8Array
  readonly secrets?: string
  readonly jwk?: JWK
}> {
  if (algorithm === 'HS256') {
    const secret = crypto.getRandomValues(new Uint8Array(32))
    return { signs: secret, secrets: `${KID}:${base64url.encode(secret)}` }
  }
  const { privateKey, publicKey } = await generateKeyPair(algorithm)
  return {
    signs: privateKey,
    jwk: { ...(await exportJWK(publicKey)), kid: KID, alg: algorithm, use: 'sig' },
  }
}

/** The feed of Keyturn, as `revocation-feed.ts` asks it. */
function createFeed(now: () => number) {
  const revoked: { readonly sid: string; readonly expires_at: number }[] = []
  const waiting = new Set<() => void>()

  return {
    revoke(sessionId: string): void {
      revoked.push({ sid: sessionId, expires_at: Math.floor(now() / 1000) + LIFE_SECONDS })
      for (const wake of waiting) wake()
    },
    async answer(url: URL, signal: AbortSignal | null | undefined): Promise<Response> {
      const after = Number(url.searchParams.get('after') ?? 0)
      const waitSeconds = Number(url.searchParams.get('wait') ?? 0)
      if (revoked.length === after && waitSeconds > 0) await changeWithin(waitSeconds, signal)
      return Response.json({ revoked: revoked.slice(after), cursor: String(revoked.length) })
    },
  }

  function changeWithin(seconds: number, signal: AbortSignal | null | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, seconds * 1000)
      if (typeof timer === 'object') timer.unref()
      waiting.add(wake)
      signal?.addEventListener('abort', wake)
    })
  }
}
