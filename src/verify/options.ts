import type { Fetch } from './fetch-json.ts'
import { checkedUrl } from './fetch-json.ts'
import { readSecrets } from './keyring.ts'

/** What every verifier is told. */
interface CommonOptions {
  /** JWT_ISSUER of Keyturn: its PUBLIC_URL, unless that was set. */
  readonly issuer: string
  /** JWT_AUDIENCE of Keyturn. */
  readonly audience: string
  /** Without it a token is believed until it expires, also after its session has ended. */
  readonly revocations?: RevocationOptions | undefined
  /** How far the clocks may differ, seconds. Default 5. */
  readonly clockToleranceSeconds?: number | undefined
  /** The longest life of a token that is believed, seconds: ACCESS_TTL, or above. Default 86,400, which is its most. */
  readonly maxLifetimeSeconds?: number | undefined
  /** Keys that could not be loaded again for so long are not believed any more, seconds. Default 86,400. */
  readonly keysMaxStaleSeconds?: number | undefined
  /** Claims of PROFILE_CLAIMS that are copied into `claims.profile`. Default none. */
  readonly profileClaims?: readonly string[] | undefined
  /** Allows http:// beyond this machine, for networks that nobody else is in. Default false. */
  readonly allowPlainHttp?: boolean | undefined
  /** Told when keys or revocations could not be fetched; for logs. The error holds no secret. */
  readonly onProblem?: ((about: 'keys' | 'revocations', error: unknown) => void) | undefined
  /** For proxies and tests. Default `globalThis.fetch`. */
  readonly fetch?: Fetch | undefined
  /** Milliseconds since 1970, for tests. Default `Date.now`. */
  readonly now?: (() => number) | undefined
  /** From 0 up to 1, for tests. Default `Math.random`. */
  readonly random?: (() => number) | undefined
}

/** Where the feed of ended sessions is, and what is to happen where it is not. */
export interface RevocationOptions {
  /** `GET /revocations` of Keyturn. */
  readonly url: string | URL
  /** A pair of SERVICE_CLIENTS. */
  readonly clientId: string
  readonly clientSecret: string
  /** For how long the feed may be silent, seconds; at least 5. Default 60. */
  readonly maxStaleSeconds?: number | undefined
  /** After that: believe tokens as if there were no feed (`open`), or none at all (`closed`). */
  readonly onStale: 'open' | 'closed'
}

/**
 * Shared keys, or the address of public ones. `secrets` is JWT_SECRETS, or a function that reads them: it is called again
 * when a token names an unknown key, and every five minutes, so that keys change without a restart.
 */
export type VerifierOptions = CommonOptions &
  (
    | { readonly secrets: string | (() => string | Promise<string>); readonly jwksUrl?: undefined }
    | { readonly jwksUrl: string | URL; readonly secrets?: undefined }
  )

const REVOCATIONS_STALE_SECONDS = 60
const REVOCATIONS_STALE_LEAST_SECONDS = 5

/**
 * The options with their defaults.
 * @throws TypeError for options that could verify nothing, or too much: by the name of the option, never its value
 */
export function completeOptions(options: VerifierOptions) {
  const { issuer, audience, revocations, profileClaims = [] } = options
  const { clockToleranceSeconds = 5, maxLifetimeSeconds = 86_400, keysMaxStaleSeconds = 86_400 } = options
  const { allowPlainHttp = false, onProblem = () => undefined, fetch = globalThis.fetch } = options
  const { now = Date.now, random = Math.random } = options
  if (typeof issuer !== 'string' || issuer === '')
    throw new TypeError('issuer: JWT_ISSUER of Keyturn is needed')
  if (typeof audience !== 'string' || audience === '')
    throw new TypeError('audience: JWT_AUDIENCE of Keyturn is needed')
  if (!(clockToleranceSeconds >= 0 && clockToleranceSeconds <= 300))
    throw new TypeError('clockToleranceSeconds: from 0 to 300')
  if (!(maxLifetimeSeconds > 0)) throw new TypeError('maxLifetimeSeconds: above 0')
  if (!(keysMaxStaleSeconds > 0)) throw new TypeError('keysMaxStaleSeconds: above 0')
  return {
    source: sourceOf(options, allowPlainHttp),
    revocations: revocations && completeFeed(revocations, allowPlainHttp),
    expected: { issuer, audience, clockToleranceSeconds, maxLifetimeSeconds, profileClaims },
    keysMaxStaleSeconds,
    onProblem,
    fetch,
    now,
    random,
  }
}

function sourceOf({ secrets, jwksUrl }: VerifierOptions, allowPlainHttp: boolean) {
  if (secrets !== undefined && jwksUrl === undefined) {
    if (typeof secrets === 'string') readSecrets(secrets)
    return { secrets }
  }
  if (jwksUrl !== undefined && secrets === undefined)
    return { jwksUrl: checkedUrl('jwksUrl', jwksUrl, allowPlainHttp) }
  throw new TypeError('secrets, jwksUrl: exactly one of the two is needed')
}

function completeFeed(options: RevocationOptions, allowPlainHttp: boolean) {
  const { clientId, clientSecret, maxStaleSeconds = REVOCATIONS_STALE_SECONDS, onStale } = options
  const url = checkedUrl('revocations.url', options.url, allowPlainHttp)
  if (!clientId || !clientSecret)
    throw new TypeError('revocations.clientId, clientSecret: a pair of SERVICE_CLIENTS is needed')
  if (!(maxStaleSeconds >= REVOCATIONS_STALE_LEAST_SECONDS))
    throw new TypeError(`revocations.maxStaleSeconds: at least ${REVOCATIONS_STALE_LEAST_SECONDS}`)
  if (onStale !== 'open' && onStale !== 'closed')
    throw new TypeError("revocations.onStale: 'open' or 'closed', which nobody can choose for you")
  return { url, clientId, clientSecret, maxStaleSeconds, onStale }
}
