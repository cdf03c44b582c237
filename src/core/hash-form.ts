import type { PasswordHash } from './ports.ts'

/** A stored hash, read: what a thread needs to hold a password against it. */
export type HashForm = BcryptForm | Pbkdf2Form | ScryptForm | Argon2Form

export interface BcryptForm {
  readonly kind: 'bcrypt'
  /** Over the hexadecimal SHA-256 of the password, and not over the password itself. */
  readonly overDigest: boolean
  readonly cost: number
  readonly hash: string
}

export interface Pbkdf2Form {
  readonly kind: 'pbkdf2'
  readonly digest: 'sha256' | 'sha1'
  readonly iterations: number
  readonly salt: string
  readonly expected: Uint8Array
}

export interface ScryptForm {
  readonly kind: 'scrypt'
  readonly n: number
  readonly r: number
  readonly p: number
  readonly salt: string
  readonly expected: Uint8Array
}

export interface Argon2Form {
  readonly kind: 'argon2'
  /** RFC 9106: 0 is Argon2d, 1 is Argon2i, 2 is Argon2id. */
  readonly variety: 0 | 1 | 2
  readonly version: 16 | 19
  readonly memoryKib: number
  readonly passes: number
  readonly lanes: number
  readonly salt: Uint8Array
  readonly expected: Uint8Array
}

/** The most that a row may ask of the machine: a broken or planted one must not keep a thread or take the memory. */
const BCRYPT_COST_MIN = 4
const BCRYPT_COST_MAX = 15
/** Django 6.0 has 1,200,000. */
const PBKDF2_ITERATIONS_MAX = 3_000_000
/** Of one check. Django's Argon2 takes 100 MiB, its scrypt 16. */
const MEMORY_MAX_KIB = 128 * 1024
/** Memory times passes or lanes: how much of it is written in all. */
const TRAFFIC_MAX_KIB = 8 * MEMORY_MAX_KIB
const LANES_MAX = 16
const SALT_MAX = 256

const BCRYPT = /^(bcrypt_sha256|bcrypt)\$(\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53})$/
const PBKDF2 = /^pbkdf2_(sha256|sha1)\$([1-9]\d{0,8})\$([^$]+)\$([A-Za-z0-9+/]+={0,2})$/
const SCRYPT = /^scrypt\$([1-9]\d{0,8})\$([^$]+)\$([1-9]\d{0,4})\$([1-9]\d{0,4})\$([A-Za-z0-9+/]+={0,2})$/
const ARGON2 =
  /^argon2\$argon2(id|i|d)\$(?:v=(16|19)\$)?m=([1-9]\d{0,8}),t=([1-9]\d{0,4}),p=([1-9]\d{0,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

/**
 * Reads a hash in the encodings of Django's hashers. `undefined` for what no password can match: unusable ones (`!…`),
 * unknown algorithms, malformed ones, and those that ask for more than a check may cost.
 */
export function readHash(stored: PasswordHash): HashForm | undefined {
  switch (stored.slice(0, stored.indexOf('$'))) {
    case 'bcrypt_sha256':
    case 'bcrypt':
      return readBcrypt(stored)
    case 'pbkdf2_sha256':
    case 'pbkdf2_sha1':
      return readPbkdf2(stored)
    case 'scrypt':
      return readScrypt(stored)
    case 'argon2':
      return readArgon2(stored)
    default:
      return undefined
  }
}

/** Names the algorithm and what decides its cost: two hashes of one kind take equally long. */
export function kindOf(form: HashForm): string {
  switch (form.kind) {
    case 'bcrypt':
      return `bcrypt ${form.cost}`
    case 'pbkdf2':
      return `pbkdf2 ${form.digest} ${form.iterations}`
    case 'scrypt':
      return `scrypt ${form.n} ${form.r} ${form.p}`
    case 'argon2':
      return `argon2 ${form.variety} ${form.version} ${form.memoryKib} ${form.passes} ${form.lanes}`
  }
  form satisfies never
}

function readBcrypt(stored: string): BcryptForm | undefined {
  const [, algorithm, hash = '', digits] = BCRYPT.exec(stored) ?? []
  const cost = Number(digits)
  if (!(cost >= BCRYPT_COST_MIN && cost <= BCRYPT_COST_MAX)) return undefined
  // $2y$ is the name that PHP has for $2b$, and the library does not know it.
  return {
    kind: 'bcrypt',
    overDigest: algorithm === 'bcrypt_sha256',
    cost,
    hash: hash.replace('$2y$', '$2b$'),
  }
}

function readPbkdf2(stored: string): Pbkdf2Form | undefined {
  const [, digest, iterations, salt = '', hash = ''] = PBKDF2.exec(stored) ?? []
  if (digest !== 'sha256' && digest !== 'sha1') return undefined
  const expected = Buffer.from(hash, 'base64')
  const form = { kind: 'pbkdf2', digest, iterations: Number(iterations), salt, expected } as const
  const isWhole = expected.length === (digest === 'sha256' ? 32 : 20)
  return isWhole && form.iterations <= PBKDF2_ITERATIONS_MAX && salt.length <= SALT_MAX ? form : undefined
}

function readScrypt(stored: string): ScryptForm | undefined {
  const [, n, salt = '', r, p, hash = ''] = SCRYPT.exec(stored) ?? []
  const expected = Buffer.from(hash, 'base64')
  const form = { kind: 'scrypt', n: Number(n), r: Number(r), p: Number(p), salt, expected } as const
  const memoryKib = (form.n * form.r) / 8
  const isAllowed =
    form.n > 1 &&
    Number.isInteger(Math.log2(form.n)) &&
    memoryKib <= MEMORY_MAX_KIB &&
    memoryKib * form.p <= TRAFFIC_MAX_KIB &&
    form.p <= LANES_MAX
  return isAllowed && expected.length === 64 && salt.length <= SALT_MAX ? form : undefined
}

const VARIETIES = { d: 0, i: 1, id: 2 } as const

function readArgon2(stored: string): Argon2Form | undefined {
  const [, name, version, memory, passes, lanes, salt = '', hash = ''] = ARGON2.exec(stored) ?? []
  if (name !== 'd' && name !== 'i' && name !== 'id') return undefined
  const form = {
    kind: 'argon2',
    variety: VARIETIES[name],
    // The first version had no number in its encoding.
    version: version === '19' ? 19 : 16,
    memoryKib: Number(memory),
    passes: Number(passes),
    lanes: Number(lanes),
    salt: Buffer.from(salt, 'base64'),
    expected: Buffer.from(hash, 'base64'),
  } as const
  const isAllowed =
    form.lanes <= LANES_MAX &&
    form.memoryKib >= 8 * form.lanes &&
    form.memoryKib <= MEMORY_MAX_KIB &&
    form.memoryKib * form.passes <= TRAFFIC_MAX_KIB
  const isWhole =
    form.salt.length >= 8 &&
    form.salt.length <= SALT_MAX &&
    form.expected.length >= 16 &&
    form.expected.length <= 64
  return isAllowed && isWhole ? form : undefined
}
