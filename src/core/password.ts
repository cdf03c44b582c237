import { createHash, randomBytes } from 'node:crypto'
import { AuthError } from './errors.ts'
import { PASSWORD_MAX_BYTES } from './policy.ts'
import type { BcryptPool, PasswordHash } from './ports.ts'

export interface Passwords {
  /** @throws AuthError `unavailable` when too many are waiting to be hashed */
  hash(password: string): Promise<PasswordHash>
  /** Always the work of one bcrypt compare at the cost in force; against a decoy where no hash could match. */
  verify(password: string, stored: PasswordHash | undefined): Promise<boolean>
  /** Whether a good sign-in should replace the stored hash: other cost or other algorithm than now. */
  isOutdated(stored: PasswordHash): boolean
}

const ALGORITHM = 'bcrypt_sha256'
const BCRYPT_FORM = /^\$2[ab]\$(\d\d)\$[./A-Za-z0-9]{53}$/

/**
 * Passwords as Django's `BCryptSHA256PasswordHasher` stores them: `bcrypt_sha256$` before the bcrypt hash of the
 * hexadecimal SHA-256 of the password, so hashes can move either way and bcrypt's cut at 72 bytes cuts nothing.
 */
export function createPasswords(bcrypt: BcryptPool, cost: number): Passwords {
  return {
    async hash(password) {
      return `${ALGORITHM}$${await bcrypt.hash(preHash(password), cost)}` as PasswordHash
    },
    async verify(password, stored) {
      const hash = stored === undefined ? undefined : bcryptPart(stored)
      const input = preHash(password)
      const matches = await bcrypt.compare(input, hash ?? decoyHash(cost))
      if (matches || hash === undefined) return matches && hash !== undefined
      // A hash of a lower cost gave its answer sooner. One more compare at each cost up to the one in force makes up
      // for that, to the round: 2^c + 2^c + 2^(c+1) + … + 2^(cost-1) = 2^cost.
      for (let lower = costOf(hash); lower < cost; lower += 1) await bcrypt.compare(input, decoyHash(lower))
      return false
    },
    isOutdated(stored) {
      const hash = bcryptPart(stored)
      return hash === undefined || costOf(hash) !== cost
    },
  }
}

/** Refuses a password that is too long to be looked at, whoever it may belong to. */
export function assertPasswordSize(field: string, password: string): void {
  const faults = sizeFaults(normalizePassword(password))
  if (faults.length > 0) throw new AuthError('validation_failed', { fields: { [field]: faults } })
}

/** NFC, as RFC 8265 (OpaqueString) has it: the same password typed on another keyboard is the same password. */
export function normalizePassword(password: string): string {
  return password.normalize('NFC')
}

export function sizeFaults(normalized: string): string[] {
  if (Buffer.byteLength(normalized) <= PASSWORD_MAX_BYTES) return []
  return [`This password is too long. It may take up to ${PASSWORD_MAX_BYTES} bytes.`]
}

function preHash(password: string): string {
  return createHash('sha256').update(normalizePassword(password)).digest('hex')
}

/** The part bcrypt understands, if it is whole: a malformed hash would be compared in no time and give itself away. */
function bcryptPart(stored: PasswordHash): string | undefined {
  const hash = stored.startsWith(`${ALGORITHM}$`) ? stored.slice(ALGORITHM.length + 1) : ''
  return BCRYPT_FORM.test(hash) ? hash : undefined
}

function costOf(hash: string): number {
  return Number(BCRYPT_FORM.exec(hash)?.[1])
}

/** A well-formed hash that nothing matches, at the cost in force, so that the unknown costs what the known costs. */
function decoyHash(cost: number): string {
  const salt = randomBytes(16).toString('hex').slice(0, 21)
  const digest = randomBytes(16).toString('hex').slice(0, 30)
  return `$2b$${String(cost).padStart(2, '0')}$${salt}.${digest}.`
}
