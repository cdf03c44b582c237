import type { AsymmetricAlgorithm } from '../config.ts'
import { readKeyRings } from '../config.ts'
import { audienceKeys } from '../core/audience-keys.ts'
import type { FileKey } from './key-file.ts'
import { createKeyFile, drawKid, fail, newPrivateKey, newSecret, textOf } from './key-file.ts'
import type { KeyOptions, KeyReport } from './keys.ts'
import { UsageError } from './usage.ts'

const SETTINGS = ['JWT_SECRETS', 'SERVER_SECRETS', 'JWT_PRIVATE_KEYS_FILE', 'JWT_AUDIENCE_KEYS'] as const
type Setting = (typeof SETTINGS)[number]

/** `keyturn keys generate`: new keys into a file of their own, or on stdout where that is asked for. */
export async function generateKeys(options: KeyOptions): Promise<KeyReport> {
  const { subject, out } = options
  const setting = SETTINGS.find((name) => name === subject)
  if (setting === undefined) throw new UsageError(`Say what the key is for: ${SETTINGS.join(', ')}.`)
  if (out === undefined) throw new UsageError('Say where the key goes: --out <file>, or --out - to print it.')
  const keys = make(setting, options)
  const object = { setting, kids: keys.map(({ kid }) => kid) }
  if (out === '-') return { value: textOf(keys).trimEnd(), lines: adviceFor(setting, undefined), object }
  await createKeyFile(out, textOf(keys))
  return { lines: [`Written to ${out}.`, ...adviceFor(setting, out)], object: { ...object, file: out } }
}

function make(setting: Setting, { algorithm = 'EdDSA', kid, audience }: KeyOptions): FileKey[] {
  switch (setting) {
    case 'JWT_SECRETS':
    case 'SERVER_SECRETS':
      return [newSecret(named(kid))]
    case 'JWT_PRIVATE_KEYS_FILE':
      return [newPrivateKey(asymmetric(algorithm), named(kid))]
    case 'JWT_AUDIENCE_KEYS':
      return deriveFor(audience)
    default:
      return setting satisfies never
  }
}

export function named(kid: string | undefined, others: readonly FileKey[] = []): string {
  if (kid === undefined) return drawKid(others)
  if (!/^[\w.-]{1,64}$/.test(kid)) throw new UsageError('A kid is 1 to 64 of A-Z a-z 0-9 . _ -')
  return kid
}

export function asymmetric(name: string): AsymmetricAlgorithm {
  if (name === 'EdDSA' || name === 'ES256' || name === 'RS256') return name
  throw new UsageError('--algorithm is EdDSA, ES256 or RS256.')
}

function deriveFor(audience: string | undefined): FileKey[] {
  if (audience === undefined)
    throw new UsageError('Say for whom: --audience <name>, one of JWT_AUDIENCE_KEYS.')
  const { serverSecrets } = readKeyRings()
  if (serverSecrets === undefined)
    return fail('Set SERVER_SECRETS, or SERVER_SECRETS_FILE, as the service has it.')
  return audienceKeys(serverSecrets, audience).map(({ kid, secret }) => {
    return { kid, entry: `${kid}:${secret.toString('base64url')}` }
  })
}

function adviceFor(setting: Setting, file: string | undefined): string[] {
  const name = setting.endsWith('_FILE') ? setting : `${setting}_FILE`
  const there = file === undefined ? 'the path of a file that holds it' : file
  switch (setting) {
    case 'JWT_SECRETS':
      return [
        `Set ${name} to ${there}, for each replica; services that verify access tokens need it too, and nobody else.`,
      ]
    case 'SERVER_SECRETS':
      return [`Set ${name} to ${there}, for each replica of Keyturn. Nobody else may have it.`]
    case 'JWT_PRIVATE_KEYS_FILE':
      return [
        `Set ${name} to ${there}, for each replica. Its public half is then at /.well-known/jwks.json.`,
        'Once every replica has it and 5 minutes have passed, set JWT_ALGORITHM to have it sign.',
      ]
    case 'JWT_AUDIENCE_KEYS':
      return [
        'Give it to the service of that audience and to nobody else; the first one signs, it verifies by all.',
      ]
    default:
      return setting satisfies never
  }
}
