import type { Fault } from './faults.ts'
import type { SecretKey } from './keys.ts'
import { shareSecret } from './keys.ts'
import type { PrivateKey } from './private-keys.ts'

/** What tokens are signed with, as far as it is set. */
export interface KeySettings {
  readonly jwtAlgorithm?: 'HS256' | 'EdDSA' | 'ES256' | 'RS256' | undefined
  readonly jwtSecrets?: readonly SecretKey[] | undefined
  readonly serverSecrets?: readonly SecretKey[] | undefined
  readonly jwtPrivateKeys?: readonly PrivateKey[] | undefined
  readonly jwtAudience?: string | undefined
  readonly jwtAudienceKeys?: readonly string[] | undefined
}

/** Faults of key settings that are right alone and wrong together. */
export function keyQuarrels(draft: KeySettings): Fault[] {
  const { jwtAlgorithm, jwtSecrets = [], serverSecrets = [], jwtPrivateKeys = [] } = draft
  const faults: Fault[] = []
  if (shareSecret(jwtSecrets, serverSecrets)) {
    const problem = 'has a secret that is in JWT_SECRETS too, which verifiers know'
    const expected = 'secrets of its own'
    faults.push({ setting: 'SERVER_SECRETS', problem, expected, remedy: 'make a new one for SERVER_SECRETS' })
  }
  if (jwtAlgorithm !== undefined && jwtAlgorithm !== 'HS256') {
    const signs = jwtPrivateKeys.some(({ algorithm }) => algorithm === jwtAlgorithm)
    if (!signs) {
      const setting = 'JWT_PRIVATE_KEYS_FILE'
      const problem = `has no key for JWT_ALGORITHM=${jwtAlgorithm}`
      const remedy = `make one with: keyturn keys generate ${setting} --algorithm ${jwtAlgorithm}`
      faults.push({ setting, problem, expected: 'a JWK set with a private key for it', remedy })
    }
  }
  const shared = new Set(jwtSecrets.map(({ kid }) => kid))
  if (jwtPrivateKeys.some(({ kid }) => shared.has(kid))) {
    const problem = 'has a kid that is in JWT_SECRETS too, so that verifiers could take one key for the other'
    const expected = 'kids of its own'
    faults.push({ setting: 'JWT_PRIVATE_KEYS_FILE', problem, expected, remedy: 'rename one kid' })
  }
  if (draft.jwtAudience !== undefined && draft.jwtAudienceKeys?.includes(draft.jwtAudience)) {
    const problem = 'names JWT_AUDIENCE, whose tokens are signed with JWT_SECRETS or JWT_PRIVATE_KEYS_FILE'
    const expected = 'other audiences'
    faults.push({ setting: 'JWT_AUDIENCE_KEYS', problem, expected, remedy: 'take it off the list' })
  }
  return faults
}
