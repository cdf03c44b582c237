import { createHash } from 'node:crypto'
import type { JwtAlgorithm, JwtKeys } from './jwt-ring.ts'

/** A key of a ring, as operators are told of it. Kids are public: one stands in every token. */
export interface KeyState {
  readonly setting: 'JWT_SECRETS' | 'SERVER_SECRETS' | 'JWT_PRIVATE_KEYS_FILE'
  readonly kid: string
  readonly algorithm: JwtAlgorithm | undefined
  /** The others only verify. */
  readonly signs: boolean
}

/** Every key, in the order of its ring. */
export function keyStates(keys: JwtKeys, signing: JwtAlgorithm): KeyState[] {
  const own = keys.privateKeys.find(({ algorithm }) => algorithm === signing)
  return [
    ...keys.secrets.map(({ kid }, index): KeyState => {
      return { setting: 'JWT_SECRETS', kid, algorithm: 'HS256', signs: signing === 'HS256' && index === 0 }
    }),
    ...keys.privateKeys.map((key): KeyState => {
      const { kid, algorithm } = key
      return { setting: 'JWT_PRIVATE_KEYS_FILE', kid, algorithm, signs: key === own }
    }),
    ...keys.serverSecrets.map(({ kid }, index): KeyState => {
      return { setting: 'SERVER_SECRETS', kid, algorithm: undefined, signs: index === 0 }
    }),
  ]
}

/** Whether something that was verified before is verified no longer. */
export function hasLost(before: JwtKeys, after: JwtKeys): boolean {
  const left = new Set(identities(after))
  return identities(before).some((key) => !left.has(key))
}

function identities({ secrets, serverSecrets, privateKeys }: JwtKeys): string[] {
  const digest = (secret: Buffer) => createHash('sha256').update(secret).digest('base64')
  return [
    ...secrets.map(({ kid, secret }) => `shared:${kid}:${digest(secret)}`),
    ...serverSecrets.map(({ kid, secret }) => `server:${kid}:${digest(secret)}`),
    ...privateKeys.map(({ kid, key }) => {
      return `private:${kid}:${digest(key.export({ type: 'pkcs8', format: 'der' }))}`
    }),
  ]
}
