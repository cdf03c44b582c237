import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

/** A secret as configured. `SERVER_SECRETS` never leave Keyturn; `JWT_SECRETS` are shared with verifiers. */
export interface NamedSecret {
  readonly kid: string
  readonly secret: Buffer
}

/** What a derived key is for. One purpose, one key: a MAC made for one is worthless for another. */
export type KeyPurpose = 'refresh' | 'link' | 'idempotency' | 'own' | 'guard'

/**
 * The server secrets, ready for use: one HKDF-SHA-256 key (RFC 5869) per secret and purpose. The first secret
 * signs, all of them verify. A key is named in tokens by one byte, the first of SHA-256(kid).
 */
export interface ServerKeys {
  /** The name of the key that signs. */
  readonly current: number
  /**
   * HMAC-SHA-256 under the named key, cut to `length` bytes.
   * @throws Error when the ring has no such key: only names that `verify` has accepted, or `current`, are asked for
   */
  mac(purpose: KeyPurpose, key: number, message: Buffer | string, length?: number): Buffer
  /** The same under the key that signs. */
  macWithCurrent(purpose: KeyPurpose, message: Buffer | string, length?: number): Buffer
  /** The same under every key of the ring, the signing one first: for stored MACs that carry no key name. */
  macWithEach(purpose: KeyPurpose, message: Buffer | string, length?: number): Buffer[]
  /** Whether `mac` is that of `message` under the named key; compared in constant time. */
  verify(purpose: KeyPurpose, key: number, message: Buffer | string, mac: Buffer): boolean
}

/** The same, and its secrets can be replaced while it is in use. */
export interface ServerKeyRing extends ServerKeys {
  /** From now on these secrets. @throws Error as `createServerKeys` does; the old ones stay then */
  replace(secrets: readonly NamedSecret[]): void
}

/** @throws Error when the list is empty or two kids share a key byte; the configuration checks both beforehand. */
export function createServerKeys(secrets: readonly NamedSecret[]): ServerKeyRing {
  let { ring, current } = derive(secrets)

  const keys: ServerKeyRing = {
    get current() {
      return current
    },
    replace(others) {
      ;({ ring, current } = derive(others))
    },
    mac(purpose, key, message, length = 32) {
      const derived = ring.get(key)
      if (derived === undefined) throw new Error(`no server secret has the key byte ${key}`)
      return createHmac('sha256', derived[purpose]).update(message).digest().subarray(0, length)
    },
    macWithCurrent(purpose, message, length) {
      return keys.mac(purpose, current, message, length)
    },
    macWithEach(purpose, message, length) {
      return [...ring.keys()].map((key) => keys.mac(purpose, key, message, length))
    },
    verify(purpose, key, message, mac) {
      return ring.has(key) && timingSafeEqual(keys.mac(purpose, key, message, mac.length), mac)
    },
  }
  return keys
}

function derive(secrets: readonly NamedSecret[]) {
  const [first] = secrets
  if (first === undefined) throw new Error('SERVER_SECRETS holds no secret')
  const ring = new Map(secrets.map((entry) => [keyByte(entry.kid), deriveAll(entry.secret)]))
  if (ring.size !== secrets.length) throw new Error('two kids in SERVER_SECRETS share a key byte: rename one')
  return { ring, current: keyByte(first.kid) }
}

/** The one-byte name of a key inside tokens: the first byte of SHA-256(kid). */
export function keyByte(kid: string): number {
  return createHash('sha256').update(kid).digest().readUInt8(0)
}

function deriveAll(secret: Buffer): Record<KeyPurpose, Buffer> {
  const keyFor = (purpose: KeyPurpose) =>
    Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `keyturn/${purpose}/v1`, 32))
  return {
    refresh: keyFor('refresh'),
    link: keyFor('link'),
    idempotency: keyFor('idempotency'),
    own: keyFor('own'),
    guard: keyFor('guard'),
  }
}
