import { isIP } from 'node:net'
import { serviceClients } from './clients.ts'
import { dialectSettings } from './dialect-settings.ts'
import { Wrong } from './faults.ts'
import { jsonFile, stylesheet } from './files.ts'
import { refuseKeysOfTests, secretKeys, serverKeys } from './keys.ts'
import { audiences, dialects, fieldNames, networks, origins } from './lists.ts'
import { privateKeysFile } from './private-keys.ts'
import type { Environment } from './texts.ts'
import { baseUrl, httpsOnly, pageUrl, postgresUrl, smtpUrl } from './urls.ts'
import type { Parser } from './values.ts'
import {
  choice,
  directory,
  duration,
  host,
  integer,
  isHostname,
  mailbox,
  onOff,
  secondsIn,
  stringOrUri,
} from './values.ts'

/**
 * A default as an operator would write it, or one made from the settings above it; `shown` stands for it in
 * the README.
 */
export type Default =
  | string
  | { readonly shown: string; readonly from: (above: Environment) => string | undefined }

/** One setting: how it is read, what it is without being set, and why. `T` is what it is in `Config`. */
export interface Setting<T> {
  /** Name of the environment variable; NAME_FILE is its other form. */
  readonly name: string
  readonly value: Parser<T>
  readonly default?: Default
  /** Production does not start without it. */
  readonly required?: 'production'
  /** Where production starts without it all the same, by the texts of the settings above it. */
  readonly unless?: (above: Environment) => boolean
  /** What production refuses although it can be read. */
  readonly inProduction?: (value: T) => Wrong | undefined
  /** Its value is never shown. */
  readonly secret?: true
  /** One line for the README. */
  readonly about: string
  /** Why it has this default, or why it has none. */
  readonly why: string
}

/** A setting that always has a value. */
export interface Always<T> extends Setting<T> {
  readonly default: Default
}

const always = <T>(setting: Always<T>) => setting
const maybe = <T>(setting: Setting<T>) => setting

/** Every setting, under its name in `Config`. A default may look only at the settings above it. */
export const settings = {
  nodeEnv: always({
    name: 'NODE_ENV',
    value: choice('development', 'test', 'production'),
    default: 'development',
    about: 'Production never starts a database, never makes keys and never opens the mailbox',
    why: 'The first start must work with nothing set; production is asked for by name',
  }),
  host: always({
    name: 'HOST',
    value: host,
    default: '127.0.0.1',
    about: 'Address to listen on',
    why: 'Nothing is offered to the network unasked; in a container set 0.0.0.0',
  }),
  port: always({
    name: 'PORT',
    value: integer(0, 65_535),
    default: '3000',
    about: 'TCP port to listen on; 0 takes any free one',
    why: 'Where people look for a Node service',
  }),
  metricsPort: maybe({
    name: 'METRICS_PORT',
    value: integer(0, 65_535),
    about: 'TCP port of HOST for /metrics alone, which the public port then has not; 0 takes any free one',
    why: 'No default: a second open port is asked for by name. Until then keep /metrics from the public at the proxy',
  }),
  publicUrl: always({
    name: 'PUBLIC_URL',
    value: baseUrl,
    default: { shown: 'http://HOST:PORT, none in production', from: localUrl },
    required: 'production',
    inProduction: httpsOnly,
    about: 'How the world reaches Keyturn: links in mail, error types and the issuer begin with it',
    why: 'Never taken from a Host header, which a stranger writes and a letter would repeat',
  }),
  dialects: always({
    name: 'DIALECTS',
    value: dialects,
    default: 'canonical=/',
    about: 'Which APIs are mounted, and where',
    why: 'What nobody calls need not be open',
  }),
  databaseUrl: maybe({
    name: 'DATABASE_URL',
    value: postgresUrl,
    required: 'production',
    secret: true,
    about: 'Postgres; unset: an embedded one in DATA_DIR, except in production',
    why: 'No default, so that production cannot end up in an empty database of its own',
  }),
  dataDir: always({
    name: 'DATA_DIR',
    value: directory,
    default: '.data',
    about: 'Directory of the embedded Postgres and the keys made outside production',
    why: 'Beside the project, where it is seen and easily deleted',
  }),
  databasePoolMax: always({
    name: 'DATABASE_POOL_MAX',
    value: integer(1, 1000),
    default: '10',
    about: 'Connections to Postgres per process',
    why: 'One statement a request, and refreshes share theirs: more would only queue inside Postgres',
  }),
  jwtAlgorithm: always({
    name: 'JWT_ALGORITHM',
    value: choice('HS256', 'EdDSA', 'ES256', 'RS256'),
    default: 'HS256',
    about: 'What signs access tokens: a shared secret, or a private key whose public half anybody may have',
    why: 'Any library verifies it, ten times as fast; with the others a verifier cannot mint, see For your services',
  }),
  jwtPrivateKeys: maybe({
    // Its own name: no private key is ever an environment variable.
    name: 'JWT_PRIVATE_KEYS_FILE',
    value: privateKeysFile,
    about:
      'Private keys for EdDSA, ES256 and RS256, a JWK set; the first of JWT_ALGORITHM signs, all verify and are published',
    why: 'No default: HS256 needs none',
  }),
  jwtSecrets: maybe({
    name: 'JWT_SECRETS',
    value: secretKeys,
    required: 'production',
    unless: ({ JWT_ALGORITHM }) => JWT_ALGORITHM !== 'HS256',
    inProduction: refuseKeysOfTests,
    secret: true,
    about:
      'Keys that sign access tokens under HS256, kid:base64url,…; shared with the services that verify them',
    why: 'No default: a key that came with the software is known to everyone. Outside production made once',
  }),
  serverSecrets: maybe({
    name: 'SERVER_SECRETS',
    value: serverKeys,
    required: 'production',
    inProduction: refuseKeysOfTests,
    secret: true,
    about: 'Keys of refresh tokens and mail links, kid:base64url,…; never shared',
    why: 'Apart from JWT_SECRETS, so that a verifier can mint nothing that Keyturn obeys',
  }),
  jwtIssuer: always({
    name: 'JWT_ISSUER',
    value: stringOrUri,
    default: { shown: 'PUBLIC_URL', from: ({ PUBLIC_URL }) => PUBLIC_URL },
    about: 'The iss of access tokens',
    why: 'A name that verifiers can tell apart from that of any other service',
  }),
  jwtAudience: always({
    name: 'JWT_AUDIENCE',
    value: stringOrUri,
    default: 'keyturn',
    about: 'The aud of access tokens',
    why: 'One audience for one family of services; give each environment its own',
  }),
  jwtAudienceKeys: always({
    name: 'JWT_AUDIENCE_KEYS',
    value: audiences,
    default: '',
    about:
      'Audiences that have keys of their own, derived from SERVER_SECRETS; a client asks for their tokens',
    why: 'None: one family of services trusts itself',
  }),
  accessTtlSeconds: always({
    name: 'ACCESS_TTL',
    value: duration('10s', '24h'),
    default: '15m',
    about: 'Life of an access token',
    why: 'The longest that a service which only verifies the JWT obeys a session that has ended',
  }),
  refreshTtlSeconds: always({
    name: 'REFRESH_TTL',
    value: duration('1m', '3650d'),
    default: '90d',
    about: 'Life of a session from its login',
    why: 'A quarter: long enough for a phone, short enough that a password is typed now and then',
  }),
  refreshIdleTtlSeconds: always({
    name: 'REFRESH_IDLE_TTL',
    value: duration('1m', '3650d'),
    default: { shown: '30d', from: ({ REFRESH_TTL }) => shorter('30d', REFRESH_TTL) },
    about: 'A session that is not refreshed for so long ends',
    why: 'A month outlasts a holiday; a device lost for longer is lost. REFRESH_TTL where that is shorter',
  }),
  refreshGraceSeconds: always({
    name: 'REFRESH_GRACE',
    value: duration('0s', '10m'),
    default: '30s',
    about: 'How long after a rotation the token before it is still answered',
    why: 'Longer than the timeout of a client and a failover of the database',
  }),
  refreshReplay: always({
    name: 'REFRESH_REPLAY',
    value: choice('recover', 'strict'),
    default: 'recover',
    about: 'After the grace an old refresh token may still be a lost answer (recover) or is a theft (strict)',
    why: 'A phone that lost an answer may come back days later; what a thief can do meanwhile stands in SECURITY.md',
  }),
  refreshCookie: always({
    name: 'REFRESH_COOKIE',
    value: onOff,
    default: 'off',
    about:
      'Whether the refresh token travels in a cookie instead of the body, for web pages on the same site',
    why: 'An app keeps its token itself, and a cookie obliges every caller to name an allowed Origin',
  }),
  registration: always({
    name: 'REGISTRATION',
    value: choice('open', 'closed'),
    default: 'open',
    about: 'Whether strangers may register',
    why: 'A service that nobody can sign up to shows nothing on its first day',
  }),
  emailVerification: always({
    name: 'EMAIL_VERIFICATION',
    value: choice('required', 'optional', 'off'),
    default: 'required',
    about: 'Whether an account works before its address is confirmed',
    why: 'The only choice that reveals no account and lets nobody take an address that is not theirs',
  }),
  passwordMinLength: always({
    name: 'PASSWORD_MIN_LENGTH',
    value: integer(8, 64),
    default: '8',
    about: 'Shortest password, in characters',
    why: 'ASVS 6.2.1; NIST SP 800-63B-4 asks for 15 where there is no second factor, and that 64 be possible',
  }),
  passwordHistory: always({
    name: 'PASSWORD_HISTORY',
    value: integer(0, 24),
    default: '0',
    about: 'How many earlier passwords may not come again',
    why: 'NIST SP 800-63B-4 wants no such rule; it is for those who must',
  }),
  bcryptCost: always({
    name: 'BCRYPT_COST',
    value: integer(4, 15),
    default: '12',
    inProduction: (cost) => (cost < 10 ? new Wrong('is under 10, which production refuses') : undefined),
    about: 'Work factor of password hashes; each step doubles the time of a login; 10 or more in production',
    why: 'About a fifth of a second on one core; OWASP asks for 10 at least, tests get by with 4',
  }),
  profileSchema: maybe({
    // Its own name: there is no PROFILE_SCHEMA that this were the other form of.
    name: 'PROFILE_SCHEMA_FILE',
    value: jsonFile,
    about:
      'JSON Schema of the profile: fields of a registration that are not ours. x-aliases gives a field other names, x-claim: true puts it into access tokens',
    why: 'No default: up to 32 texts, numbers and booleans, 8 KiB in all, are kept as they come',
  }),
  profileClaims: always({
    name: 'PROFILE_CLAIMS',
    value: fieldNames,
    default: '',
    about: 'Profile fields that stand in access tokens too, up to 512 bytes of them',
    why: 'None: a token travels with every request and can be read by whoever sees it',
  }),
  smtpUrl: maybe({
    name: 'SMTP_URL',
    value: smtpUrl,
    required: 'production',
    secret: true,
    about: 'Mail server; unset: letters go to /dev/mailbox, except in production',
    why: 'No default, so that no letter is lost in silence',
  }),
  mailFrom: always({
    name: 'MAIL_FROM',
    value: mailbox,
    default: { shown: 'Keyturn <no-reply@(host of PUBLIC_URL)>', from: sender },
    about: 'Sender of every letter',
    why: 'The domain that the links in the letters lead to',
  }),
  mailTemplatesDir: maybe({
    name: 'MAIL_TEMPLATES_DIR',
    value: directory,
    about: 'Directory with letters in your own words, checked at start; unset: ours',
    why: 'No default: the letters that Keyturn brings need none',
  }),
  verifyUrl: maybe({
    name: 'VERIFY_URL',
    value: pageUrl,
    inProduction: httpsOnly,
    about: 'Your page for the link in the verification letter, which brings ?token=…; unset: our page',
    why: 'No default: the page that Keyturn serves itself needs none',
  }),
  resetUrl: maybe({
    name: 'RESET_URL',
    value: pageUrl,
    inProduction: httpsOnly,
    about: 'Your page for the link in the letter of reset, which brings ?token=…; unset: our page',
    why: 'No default: the page that Keyturn serves itself needs none',
  }),
  pageCss: maybe({
    name: 'PAGE_CSS_FILE',
    value: stylesheet,
    about: 'CSS that is added to the style of our pages; pictures and fonts only as data: URLs',
    why: 'No default: the pages have a style of their own',
  }),
  corsOrigins: always({
    name: 'CORS_ORIGINS',
    value: origins,
    default: '',
    about: 'Origins of the web pages that may call Keyturn from the browser',
    why: 'None: the same origin needs no entry, and every other is a decision',
  }),
  trustProxy: always({
    name: 'TRUST_PROXY',
    value: networks,
    default: '',
    about: 'Networks of your reverse proxies, in CIDR form; only their X-Forwarded-* is believed',
    why: 'None: whoever is believed without need chooses the address that his guesses are counted under',
  }),
  serviceClients: always({
    name: 'SERVICE_CLIENTS',
    value: serviceClients,
    default: '',
    secret: true,
    about: 'Services that may call /introspect, /revoke and /revocations, id:secret,…, by HTTP Basic',
    why: 'None: what they ask tells whose a token is, and ends sessions',
  }),
  rateLimit: always({
    name: 'RATE_LIMIT',
    value: onOff,
    default: 'on',
    inProduction: (on) => (on ? undefined : new Wrong('is off, which production refuses')),
    about: 'Guards against guessing and flooding; off only outside production',
    why: 'Without them a password is a matter of patience',
  }),
  rateLimitIpv6Prefix: always({
    name: 'RATE_LIMIT_IPV6_PREFIX',
    value: integer(48, 64),
    default: '64',
    about:
      'How many bits of an IPv6 address the guards count as one address; 56 where providers give out more',
    why: 'What one line is given at the least: with fewer bits neighbours use up the tries of each other',
  }),
  logLevel: always({
    name: 'LOG_LEVEL',
    value: choice('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    default: 'info',
    about: 'Least severe entry that is logged',
    why: 'One line a request, as operators expect',
  }),
  ...dialectSettings,
  unverifiedTtlSeconds: always({
    name: 'UNVERIFIED_TTL',
    value: duration('1m', '365d'),
    default: '7d',
    about: 'How long an account that is never confirmed keeps its user name',
    why: 'Time for a letter that waits over a weekend, and no store of names for squatters',
  }),
}

/**
 * The text of a default, or `undefined` where there is none. `above` are the texts of the settings above it.
 */
export function defaultText(of: Default | undefined, above: Environment): string | undefined {
  return typeof of === 'object' ? of.from(above) : of
}

function localUrl({ NODE_ENV, HOST = '', PORT }: Environment): string | undefined {
  if (NODE_ENV === 'production') return undefined
  // No browser opens http://0.0.0.0 or http://[::] dependably.
  const name = ['0.0.0.0', '::'].includes(HOST) ? 'localhost' : isIP(HOST) === 6 ? `[${HOST}]` : HOST
  return `http://${name}:${PORT}`
}

function shorter(text: string, limit: string | undefined): string {
  return limit !== undefined && (secondsIn(limit) ?? 0) < (secondsIn(text) ?? 0) ? limit : text
}

function sender({ PUBLIC_URL }: Environment): string | undefined {
  if (PUBLIC_URL === undefined) return undefined
  const { hostname } = new URL(PUBLIC_URL)
  return `Keyturn <no-reply@${isHostname(hostname) ? hostname : 'localhost'}>`
}
