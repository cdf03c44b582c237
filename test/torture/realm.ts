import type { Policy } from '../../src/core/policy.ts'
import type { Account } from '../../src/core/ports.ts'
import type { PresentedRefreshClaims } from '../../src/core/refresh-token.ts'
import { decodeRefreshToken } from '../../src/core/refresh-token.ts'
import { createServerKeys } from '../../src/core/server-keys.ts'
import type { Row } from './memory.ts'
import { rememberMacs } from './remember.ts'

/** The lifetimes that Keyturn has by default. */
export const POLICY: Policy = {
  accessTtlSeconds: 900,
  refreshTtlSeconds: 90 * 24 * 3600,
  refreshIdleTtlSeconds: 30 * 24 * 3600,
  refreshGraceSeconds: 30,
  refreshReplay: 'recover',
  registration: 'open',
  emailVerification: 'off',
  passwordMinLength: 8,
  bcryptCost: 4,
  limitsLogins: true,
  ownMail: { sender: 'no-reply', domains: ['auth.example.com'] },
  passwordHistory: 0,
  audiences: [],
}

const SECRETS = [
  { kid: '2026-01', secret: Buffer.alloc(32, 1) },
  { kid: '2026-02', secret: Buffer.alloc(32, 2) },
] as const
/** A replica that restarts may come back with the next secret in front. */
export const KEYS_NOW = rememberMacs(createServerKeys(SECRETS))
export const KEYS_NEXT = rememberMacs(createServerKeys([SECRETS[1], SECRETS[0]]))

export const ACCOUNT: Account = {
  id: 4711,
  username: 'ada',
  email: 'ada@example.org',
  emailVerified: true,
  firstName: '',
  lastName: '',
  roles: [],
  profile: {},
  activated: true,
  disabled: false,
  createdAt: 0,
  lastLoginAt: undefined,
}

/** A session at its first generation. */
export function firstRow(now: number, policy: Policy, rotates: boolean): Row {
  return {
    id: '019b76da-a800-7b1c-8d5e-3f0a1b2c3d4e',
    userId: ACCOUNT.id,
    createdAt: now,
    expiresAt: now + policy.refreshTtlSeconds * 1000,
    rotates,
    generation: 0,
    seenGeneration: -1,
    lateGeneration: -1,
    lateReplays: 0,
    floorGeneration: 0,
    rotatedAt: now,
    retryKey: undefined,
    revokedAt: undefined,
    revokedReason: undefined,
    userDisabled: false,
  }
}

const read = new Map<string, PresentedRefreshClaims>()

/** The claims of one of our tokens; there are few, and hundreds of thousands of schedules hand out the same. */
export function claimsOf(token: string): PresentedRefreshClaims {
  const claims = read.get(token) ?? decodeRefreshToken(KEYS_NOW, token)
  if (claims === undefined) throw new Error('an answer that is no token')
  read.set(token, claims)
  return claims
}
