import type { AuthNeeds } from '../../src/core/auth.ts'
import { AuthError } from '../../src/core/errors.ts'
import type { Policy } from '../../src/core/policy.ts'
import type { Account, Caller } from '../../src/core/ports.ts'
import { refresh } from '../../src/core/refresh.ts'
import type { PresentedRefreshClaims } from '../../src/core/refresh-token.ts'
import { decodeRefreshToken, encodeRefreshToken } from '../../src/core/refresh-token.ts'
import { createServerKeys } from '../../src/core/server-keys.ts'
import type { Chance } from './chance.ts'
import type { Row } from './memory.ts'
import { createMemory, createSessions } from './memory.ts'
import { rememberMacs } from './remember.ts'
import type { Answer, Faults, Server, Tokens } from './server.ts'
import type { Met, Witness } from './witness.ts'
import type { World } from './world.ts'

export interface ModelHabits {
  readonly replicas: number
  readonly rotates: boolean
  readonly replay: Policy['refreshReplay']
  /** How likely a row is locked by somebody else when a rotation skips what is locked. */
  readonly locked: number
}

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
}

const SESSION = '019b76da-a800-7b1c-8d5e-3f0a1b2c3d4e'
const SECRETS = [
  { kid: '2026-01', secret: Buffer.alloc(32, 1) },
  { kid: '2026-02', secret: Buffer.alloc(32, 2) },
] as const
/** A replica that restarts may come back with the next secret in front. */
const KEYS_NOW = rememberMacs(createServerKeys(SECRETS))
const KEYS_NEXT = rememberMacs(createServerKeys([SECRETS[1], SECRETS[0]]))

const read = new Map<string, PresentedRefreshClaims>()

/** The claims of one of our tokens; there are few, and hundreds of thousands of schedules hand out the same. */
function claimsOf(token: string): PresentedRefreshClaims {
  const claims = read.get(token) ?? decodeRefreshToken(KEYS_NOW, token)
  if (claims === undefined) throw new Error('an answer that is no token')
  read.set(token, claims)
  return claims
}

const ACCOUNT: Account = {
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

/** A connection that was cut: what was under way may or may not have happened. */
class Cut extends Error {}

interface Replica {
  needs: AuthNeeds
  keys: typeof KEYS_NOW
  /** Generations met since the last note to the database, which a restart forgets. */
  seen: number
  /** Whether it has heard that the session was revoked. */
  knowsRevoked: boolean
  readonly underWay: Set<{ cut: boolean; readonly reject: (error: Cut) => void }>
}

/**
 * Keyturn in virtual time: the real `refresh()`, the real tokens, and a database in memory whose every statement
 * takes a while, so that requests, replicas and faults cross in every order.
 */
export function createModel(
  world: World,
  chance: Chance,
  witness: Witness,
  habits: ModelHabits,
): Server & Faults {
  const policy = { ...POLICY, refreshReplay: habits.replay }
  const memory = createMemory(world, firstRow(world.now, policy, habits.rotates), (before, after, cause) => {
    world.note(() => `  ${cause}: generation ${before.generation} → ${after.generation}`)
    witness.committed(before, after, cause)
    if (cause === 'revoked') for (const replica of replicas) world.after(1000, () => hear(replica))
  })
  let calls = 0
  let waiting = 0

  const replicas = Array.from({ length: habits.replicas }, createReplica)

  function createReplica(): Replica {
    const underWay: Replica['underWay'] = new Set()

    function statement<T>(work: () => T): Promise<T> {
      waiting += 1
      return new Promise<T>((resolve, reject) => {
        const entry = { cut: false, reject }
        underWay.add(entry)
        world.after(chance.happens(0.9) ? chance.between(1, 5) : chance.between(5, 300), () => {
          if (entry.cut) return void (chance.happens(0.5) && work())
          underWay.delete(entry)
          waiting -= 1
          resolve(work())
        })
      })
    }

    const record = (event: { readonly kind: string; readonly caller: Caller }) => {
      world.note(() => `  event ${event.kind}`)
    }
    const replica: Replica = {
      keys: KEYS_NOW,
      seen: -1,
      knowsRevoked: false,
      underWay,
      needs: {
        policy,
        get keys() {
          return replica.keys
        },
        sessions: {
          ...createSessions({
            memory,
            policy,
            account: ACCOUNT,
            statement,
            isLocked: () => chance.happens(habits.locked),
            record: (event) => {
              record(event)
              witness.recorded(event, Number(event.caller.ip))
            },
          }),
          create: notPart,
          createFirst: notPart,
          revokeAll: notPart,
        },
        events: {
          record: (event) =>
            statement(() => {
              record(event)
              witness.recorded(event, Number(event.caller.ip))
            }),
        },
        accessTokens: {
          mint: (_account, _sessionId, generation) => ({
            token: `${generation}:${world.now + 900_000}`,
            expiresIn: Math.floor(chance.between(855, 900)),
          }),
          verify: notPart,
        },
        revoked: {
          has: () => replica.knowsRevoked,
          add: () => {
            replica.knowsRevoked = true
          },
        },
        refreshLimit: { take() {} },
        count() {},
        accounts: outOfScope('accounts'),
        passwords: outOfScope('passwords'),
        outbox: outOfScope('outbox'),
      },
    }
    return replica
  }

  function hear(replica: Replica): void {
    replica.knowsRevoked ||= memory.row.revokedAt !== undefined
  }

  function markSeen(replica: Replica): void {
    const { row } = memory
    const generation = Math.min(replica.seen, row.generation)
    replica.seen = -1
    // A row that is locked is left out, and the note with it.
    if (generation > row.seenGeneration && row.revokedAt === undefined && !chance.happens(0.05)) {
      memory.commit({ seenGeneration: generation }, 'seen')
    }
  }

  function cut(replica: Replica): void {
    for (const entry of replica.underWay) {
      entry.cut = true
      waiting -= 1
      entry.reject(new Cut())
    }
    replica.underWay.clear()
  }

  const replicaOf = (index: number) => replicas[index % replicas.length] ?? outOfScope('replica')

  async function answer(name: number, met: Met, replica: Replica, token: string, key: string | undefined) {
    try {
      const caller = { ip: String(name), userAgent: met.party }
      const granted = await refresh(replica.needs, { token, idempotencyKey: key }, caller)
      const claims = claimsOf(granted.refresh)
      world.note(() => `  ${granted.outcome}: the ${met.party} gets generation ${claims.generation}`)
      witness.answered(name, met, granted.outcome, granted.refresh, claims)
      return { kind: 'tokens', ...granted } as const
    } catch (error) {
      if (error instanceof Cut || (error instanceof AuthError && error.code === 'unavailable')) {
        witness.outcomes.failed += 1
        return { kind: 'failed' } as const
      }
      if (!(error instanceof AuthError)) throw error
      world.note(() => `  ${error.code}: the ${met.party} had generation ${met.generation}`)
      witness.refused(name, met, error.code, memory.row, memory.now)
      return { kind: 'refused', code: error.code } as const
    }
  }

  return {
    replicas: habits.replicas,
    async logIn(): Promise<Tokens> {
      const { row } = memory
      const claims = { userId: ACCOUNT.id, sessionId: SESSION, generation: row.generation }
      const access = `${row.generation}:${world.now + 900_000}`
      return { refresh: encodeRefreshToken(KEYS_NOW, claims), access, expiresIn: 900 }
    },
    async refresh({ party, replica, refresh: token, key }): Promise<Answer> {
      calls += 1
      const { generation } = claimsOf(token)
      return answer(
        calls,
        { party, generation, arrivedAt: world.now, failOvers: witness.failOvers },
        replicaOf(replica),
        token,
        key,
      )
    },
    async checkStatus(index, access) {
      const replica = replicaOf(index)
      const [generation = -1, end = 0] = access.split(':').map(Number)
      if (replica.knowsRevoked || end <= world.now) return false
      if (replica.seen < 0) world.after(1000, () => markSeen(replica))
      replica.seen = Math.max(replica.seen, generation)
      return true
    },
    async logOut(index) {
      const { sessions } = replicaOf(index).needs
      const event = { kind: 'logout', caller: { ip: '0', userAgent: 'client' } } as const
      try {
        if (await sessions.revoke(SESSION, undefined, 'logout', event)) witness.loggedOut = true
      } catch (error) {
        if (!(error instanceof Cut)) throw error
      }
    },
    restart(index) {
      const replica = replicaOf(index)
      world.note(() => 'a replica dies and starts again')
      cut(replica)
      replica.seen = -1
      replica.knowsRevoked = memory.row.revokedAt !== undefined
      if (chance.happens(0.5)) replica.keys = KEYS_NEXT
    },
    failOver(since, commits) {
      for (const replica of replicas) if (chance.happens(0.5)) cut(replica)
      memory.fallBack(since, commits, chance.whole(-1000, 1000))
      witness.failedOver()
      for (const replica of replicas) world.after(chance.between(200, 1500), () => writeBack(replica))
    },
    waiting: () => waiting,
    breathe: async () => {},
  }

  /** After a change of timeline each replica writes the revocations it remembers back. */
  function writeBack(replica: Replica): void {
    if (!replica.knowsRevoked || memory.row.revokedAt !== undefined) return
    memory.commit({ revokedAt: memory.now, revokedReason: 'theft' }, 'revoked')
  }
}

function firstRow(now: number, policy: Policy, rotates: boolean): Row {
  return {
    id: SESSION,
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

function notPart(): never {
  throw new Error('no part of a refresh')
}

function outOfScope<T extends object>(name: string): T {
  return new Proxy({} as T, {
    get: () => {
      throw new Error(`a refresh has no business with ${name}`)
    },
  })
}
