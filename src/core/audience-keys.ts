import { createHash, hkdfSync } from 'node:crypto'
import type { NamedSecret } from './server-keys.ts'

const KEY_BYTES = 32
/** Two audiences of one kid would need as many tries as there are tokens of 48 bits. */
const NAME_BYTES = 6

/**
 * The keys of one audience, one for each server secret and in their order: the first signs. HKDF-SHA-256 (RFC 5869),
 * so that none tells anything about the secret or the key of another audience: a service that holds one can mint
 * tokens for itself, and for nobody else.
 */
export function audienceKeys(serverSecrets: readonly NamedSecret[], audience: string): NamedSecret[] {
  const name = createHash('sha256').update(audience).digest().subarray(0, NAME_BYTES).toString('base64url')
  return serverSecrets.map(({ kid, secret }) => ({
    kid: `${kid}.${name}`,
    secret: Buffer.from(hkdfSync('sha256', secret, '', `keyturn/audience/v1/${audience}`, KEY_BYTES)),
  }))
}
