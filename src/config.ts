import { inspect } from 'node:util'
import type { Fault } from './config/faults.ts'
import { ConfigError, Wrong } from './config/faults.ts'
import { keyQuarrels } from './config/key-quarrels.ts'
import { nearMisses } from './config/near-miss.ts'
import { quarrels } from './config/quarrels.ts'
import type { Always, Setting } from './config/settings.ts'
import { defaultText, settings as table } from './config/settings.ts'
import type { Environment } from './config/texts.ts'
import { given, readText } from './config/texts.ts'

export { ServiceClient } from './config/clients.ts'
export type { SettingDescription } from './config/describe.ts'
export { describeSettings } from './config/describe.ts'
export type { Fault } from './config/faults.ts'
export { ConfigError, EXIT_CONFIG, Wrong } from './config/faults.ts'
export { SecretKey, secretKeys } from './config/keys.ts'
export type { DialectMount } from './config/lists.ts'
export type { AsymmetricAlgorithm, PrivateKey } from './config/private-keys.ts'
export { readPrivateKeys } from './config/private-keys.ts'

type Table = typeof table
type Key = keyof Table
type Values = { readonly [K in Key]: Table[K] extends Setting<infer T> ? T : never }
type Texts = Record<string, string | undefined>
type Draft = { -readonly [K in Key]?: Values[K] | undefined }

/**
 * What the operator decided: deeply frozen, and safe to log, for secrets are masked in JSON and in `inspect`.
 * Read from the table of settings, which says what each is for; durations are in seconds.
 *
 * `databaseUrl`, `serverSecrets` and `smtpUrl` are always there in production, `jwtSecrets` with HS256, and `publicUrl`
 * (no slash at its end) is https there. With PORT=0 a default `publicUrl` ends in `:0` until `withPort` has
 * put in the real one.
 */
export type Config = {
  readonly [K in Key]: Table[K] extends Always<infer T> ? T : Values[K] | undefined
}

// Typed as a mapped type, so that `settings[key]` and `draft[key]` agree on the type for any one key.
const settings: { readonly [K in Key]: Setting<Values[K]> } = table
const keys = Object.keys(table).filter((key): key is Key => key in table)

/** For verbs that are not the service and need only some settings. */
export const environment: Environment = process.env

/**
 * Reads every setting from the environment.
 *
 * @throws {ConfigError} with all wrong settings at once; print its message and exit with `EXIT_CONFIG`.
 */
export function readConfig(env: Environment = process.env): Config {
  const draft: Draft = {}
  const texts: Texts = {}
  const faults = keys.flatMap((key) => settle(key, env, texts, draft) ?? [])
  faults.push(...quarrels(draft))
  faults.push(
    ...nearMisses(
      env,
      keys.map((key) => settings[key].name),
    ),
  )
  if (faults.length > 0) throw new ConfigError(faults)
  if (!isConfig(draft)) throw new Error('a setting has neither value nor fault')
  return seal(draft)
}

/** The rings of keys, as far as they are set. */
export type KeyRings = Pick<Config, 'jwtAlgorithm' | 'jwtSecrets' | 'serverSecrets' | 'jwtPrivateKeys'>

const ringSettings: readonly Key[] = [
  'nodeEnv',
  'jwtAlgorithm',
  'jwtPrivateKeys',
  'jwtSecrets',
  'serverSecrets',
]

/** The files that rings of keys are read from, by the settings that name them. */
export function keyFiles(env: Environment = process.env): ReadonlyMap<string, string> {
  const names = ['JWT_SECRETS_FILE', 'SERVER_SECRETS_FILE', 'JWT_PRIVATE_KEYS_FILE']
  return new Map(names.flatMap((name) => (given(env, name) === undefined ? [] : [[name, env[name] ?? '']])))
}

/**
 * Reads the rings of keys alone, from files that may have changed since the start.
 *
 * @throws {ConfigError} with all that is wrong with them; it says nothing of other settings.
 */
export function readKeyRings(env: Environment = process.env): KeyRings {
  const draft: Draft = {}
  const texts: Texts = {}
  const faults = ringSettings.flatMap((key) => settle(key, env, texts, draft) ?? [])
  faults.push(...keyQuarrels(draft))
  if (faults.length > 0) throw new ConfigError(faults)
  const { jwtAlgorithm = 'HS256', jwtSecrets, serverSecrets, jwtPrivateKeys } = draft
  return { jwtAlgorithm, jwtSecrets, serverSecrets, jwtPrivateKeys }
}

/**
 * The same configuration once PORT=0 has become a port: `port`, and the URL and the issuer where they are
 * defaults.
 */
export function withPort(config: Config, port: number): Config {
  const url = new URL(config.publicUrl)
  if (url.port === '0') url.port = String(port)
  const publicUrl = url.href.replace(/\/+$/, '')
  const activated = new URL(config.activatedUrl)
  if (activated.port === '0') activated.port = String(port)
  const jwtIssuer = config.jwtIssuer === config.publicUrl ? publicUrl : config.jwtIssuer
  return seal({ ...config, port, publicUrl, jwtIssuer, activatedUrl: activated.href })
}

/** Reads one setting into `draft`, and what it is into `texts`, for the defaults below it. */
function settle<K extends Key>(key: K, env: Environment, texts: Texts, draft: Draft): Fault | undefined {
  const setting = settings[key]
  const refuse = (wrong: Wrong) => {
    texts[setting.name] = typeof setting.default === 'string' ? setting.default : undefined
    return faultOf(setting, wrong, env)
  }
  const text = readText(env, setting.name) ?? defaultText(setting.default, texts)
  if (text instanceof Wrong) return refuse(text)
  const value = judge(setting, text, texts)
  if (value instanceof Wrong) return refuse(value)
  texts[setting.name] = typeof value === 'string' ? value : text
  draft[key] = value
  return undefined
}

function judge<T>(setting: Setting<T>, text: string | undefined, texts: Texts): T | Wrong | undefined {
  const production = texts['NODE_ENV'] === 'production'
  if (text === undefined) {
    const missing = production && setting.required === 'production' && !setting.unless?.(texts)
    return missing
      ? new Wrong('is not set, and production has no default for it', setting.value.recipe ?? 'set it')
      : undefined
  }
  const value = setting.value.parse(text)
  if (value instanceof Wrong || !production) return value
  return setting.inProduction?.(value) ?? value
}

function faultOf<T>(setting: Setting<T>, wrong: Wrong, env: Environment): Fault {
  const text = given(env, setting.name)
  // Short and plain only: whatever else stands there may be a secret that went into the wrong variable.
  const shown = text !== undefined && !setting.secret && /^[\w.+-]{1,12}$/.test(text) ? `= ${text} ` : ''
  const standard = typeof setting.default === 'object' ? setting.default.shown : setting.default
  const otherwise =
    setting.value.recipe ?? (standard ? `correct it, or unset it to have ${standard}` : 'correct it')
  const remedy = wrong.remedy ?? otherwise
  return { setting: setting.name, problem: shown + wrong.problem, expected: setting.value.expected, remedy }
}

function isConfig(draft: Draft): draft is Config {
  return keys.every((key) => draft[key] !== undefined || settings[key].default === undefined)
}

/** Freezes all of it and masks what is secret wherever the whole is printed. */
function seal(config: Config): Config {
  const masked = () =>
    Object.fromEntries(
      keys.map((key) => [key, settings[key].secret && config[key] ? '[secret]' : config[key]]),
    )
  Object.defineProperties(config, { toJSON: { value: masked }, [inspect.custom]: { value: masked } })
  freeze(config)
  return config
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  Object.freeze(value)
  Object.values(value).forEach(freeze)
}
