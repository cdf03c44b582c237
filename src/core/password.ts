import { createHash, randomBytes } from 'node:crypto'
import { createCheckBill } from './check-bill.ts'
import { AuthError } from './errors.ts'
import type { HashForm } from './hash-form.ts'
import { readHash } from './hash-form.ts'
import { PASSWORD_MAX_BYTES } from './policy.ts'
import type { BcryptPool, PasswordHash } from './ports.ts'

export interface Passwords {
  /** @throws AuthError `unavailable` when too many are waiting to be hashed */
  hash(password: string): Promise<PasswordHash>
  /**
   * A failed check always costs the same: one bcrypt compare at the cost in force, or more where dearer hashes have been
   * met; against a decoy where no hash could match.
   */
  verify(password: string, stored: PasswordHash | undefined): Promise<boolean>
  /** Whether a good sign-in should replace the stored hash: other cost or other algorithm than now. */
  isOutdated(stored: PasswordHash): boolean
}

const ALGORITHM = 'bcrypt_sha256'

/**
 * Passwords as Django's `BCryptSHA256PasswordHasher` stores them: `bcrypt_sha256$` before the bcrypt hash of the
 * hexadecimal SHA-256 of the password, so hashes can move either way and bcrypt's cut at 72 bytes cuts nothing.
 * Hashes of Django's other hashers are verified as they are.
 */
export function createPasswords(bcrypt: BcryptPool, cost: number): Passwords {
  const bill = createCheckBill(cost)

  /** In one go where it is known what the check costs; the first of a kind pays the rest in a second one. */
  async function check(against: HashForm, inputs: readonly string[]): Promise<boolean> {
    const owed = bill.owed() * inputs.length
    const known = bill.roundsOf(against)
    const roundsOtherwise = known === undefined ? 0 : Math.max(0, owed - known * inputs.length)
    const { matches, ms } = await bcrypt.check({ inputs, against, roundsOtherwise })
    bill.note(against, ms)
    if (matches || known !== undefined) return matches
    const paid = bill.roundsOf(against)
    const rest = paid === undefined ? owed : Math.max(0, owed - paid * inputs.length)
    await bcrypt.check({ inputs: [], against, roundsOtherwise: rest })
    return false
  }

  return {
    async hash(password) {
      return `${ALGORITHM}$${await bcrypt.hash(preHash(normalizePassword(password)), cost)}` as PasswordHash
    },
    async verify(password, stored) {
      const form = stored === undefined ? undefined : readHash(stored)
      const against = form ?? decoy(cost)
      // Django hashes what was typed, in whichever form the keyboard sent it. How many there are to try is decided by
      // what was typed now, and not by the account.
      const spellings = [...new Set([normalizePassword(password), password])]
      const isOverDigest = against.kind === 'bcrypt' && against.overDigest
      const matches = await check(against, isOverDigest ? spellings.map(preHash) : spellings)
      return matches && form !== undefined
    },
    isOutdated(stored) {
      const form = readHash(stored)
      return form?.kind !== 'bcrypt' || !form.overDigest || form.cost !== cost
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
  return createHash('sha256').update(password).digest('hex')
}

/** A well-formed hash that nothing matches, at the cost in force, so that the unknown costs what the known costs. */
function decoy(cost: number): HashForm {
  const salt = randomBytes(16).toString('hex').slice(0, 21)
  const digest = randomBytes(16).toString('hex').slice(0, 30)
  const hash = `$2b$${String(cost).padStart(2, '0')}$${salt}.${digest}.`
  return { kind: 'bcrypt', overDigest: true, cost, hash }
}
