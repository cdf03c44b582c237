import type { Policy } from '../../src/core/policy.ts'
import type {
  EventStore,
  RevokedSessions,
  SecurityEvent,
  SessionStore,
  SessionView,
} from '../../src/core/ports.ts'
import type { RefreshNeeds } from '../../src/core/refresh.ts'
import type { ServerKeys } from '../../src/core/server-keys.ts'
import type { Chance } from './chance.ts'
import type { Memory, StatementKind } from './memory.ts'
import { createSessions } from './memory.ts'
import { ACCOUNT, KEYS_NEXT, KEYS_NOW } from './realm.ts'
import type { Witness } from './witness.ts'
import type { World } from './world.ts'

/** A connection that was cut: what was under way may or may not have happened. */
export class Cut extends Error {}

/** One process of the service: what its verbs need, and what it holds in its memory. */
export interface Replica {
  readonly sessions: SessionStore
  readonly accessTokens: RefreshNeeds['accessTokens']
  /** What one request has to work with; `count` is told what came of it. */
  needsFor(count: RefreshNeeds['count']): RefreshNeeds
  readonly knowsRevoked: boolean
  /** How many of its requests wait for the database. */
  readonly waiting: number
  /** Looks whether the session was revoked. */
  poll(): void
  /** An access token of this generation was met. */
  note(generation: number): void
  /** Its connections to the database are gone, and whatever was under way on them. */
  cut(): void
  /** Its memory is gone too. */
  restart(): void
}

export interface ReplicaNeeds {
  readonly world: World
  readonly chance: Chance
  readonly memory: Memory
  readonly witness: Witness
  readonly policy: Policy
  /** How likely somebody else takes the row as a statement that wants it arrives. */
  readonly locked: number
}

/** What a statement waits for a row at the most. */
const LOCK_TIMEOUT_MS = 1000

const SEEN_NOTED_AFTER_MS = 1000
const SEEN_LOST = 0.05

export function createReplica({ world, chance, memory, witness, policy, locked }: ReplicaNeeds): Replica {
  const underWay = new Set<{ cut: boolean; readonly reject: (error: Cut) => void }>()
  let keys: ServerKeys = KEYS_NOW
  let knowsRevoked = false
  /** Generations met since the last note to the database. */
  let seen = -1
  /** The rotation under way, and how many requests wait for what comes of it. */
  let rotation: { readonly outcome: Promise<SessionView | undefined>; waiters: number } | undefined

  function statement<T>(kind: StatementKind, work: (begun: number) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const entry = { cut: false, reject }
      const settle = (how: () => void) => {
        underWay.delete(entry)
        if (kind === 'rotates' || kind === 'rotates alone') rotation = undefined
        how()
      }
      const run = (begun: number) => {
        if (!entry.cut) settle(() => resolve(work(begun)))
        else if (chance.happens(0.5)) work(begun)
      }
      const arrive = () => {
        const begun = memory.now
        if (kind !== 'reads' && memory.lockedFor === 0 && chance.happens(locked)) memory.lock(lockLength())
        const wait = kind === 'writes' || kind === 'rotates alone' ? memory.lockedFor : 0
        if (wait === 0) run(begun)
        else if (wait < LOCK_TIMEOUT_MS) world.after(wait, () => run(begun))
        else world.after(LOCK_TIMEOUT_MS, () => entry.cut || settle(() => reject(new Cut())))
      }
      underWay.add(entry)
      world.after(chance.happens(0.9) ? chance.between(1, 5) : chance.between(5, 300), arrive)
    })
  }

  /** Mostly as long as a commit takes, at times longer than anybody waits. */
  function lockLength(): number {
    return chance.happens(0.7) ? chance.between(1, 50) : chance.between(50, 1500)
  }

  /** The first request decides for those that come meanwhile: they have lost the race, as in the real store. */
  async function oneAtATime(attempt: () => Promise<SessionView | undefined>) {
    if (rotation === undefined) {
      const outcome = attempt()
      rotation = { outcome, waiters: 0 }
      return outcome
    }
    rotation.waiters += 1
    await rotation.outcome
    return undefined
  }

  function cut(): void {
    for (const entry of underWay) {
      entry.cut = true
      entry.reject(new Cut())
    }
    underWay.clear()
    rotation = undefined
  }

  function record(event: SecurityEvent): void {
    world.note(() => `  event ${event.kind}`)
    witness.recorded(event, Number(event.caller.ip), memory.row, memory.now)
  }

  function markSeen(): void {
    const { row } = memory
    const generation = Math.min(seen, row.generation)
    seen = -1
    const isNews = generation > row.seenGeneration && row.revokedAt === undefined
    if (isNews && !chance.happens(SEEN_LOST)) memory.commit({ seenGeneration: generation }, 'seen')
  }

  const verbs = createSessions({ memory, policy, account: ACCOUNT, statement, record })
  const sessions: SessionStore = {
    ...verbs,
    rotate: (asked) => oneAtATime(() => verbs.rotate(asked)),
    rotateAlone: (asked) => oneAtATime(() => verbs.rotateAlone(asked)),
    create: notPart,
    createFirst: notPart,
    revokeAll: notPart,
    revokeAllFor: notPart,
  }
  const events: EventStore = { record: (event) => statement('reads', () => record(event)) }
  const accessTokens: RefreshNeeds['accessTokens'] = {
    mint: (_account, _sessionId, generation) => ({
      token: `${generation}:${world.now + policy.accessTtlSeconds * 1000}`,
      expiresAt: Math.floor(world.now / 1000) + policy.accessTtlSeconds,
      expiresIn: Math.floor(policy.accessTtlSeconds * chance.between(0.95, 1)),
      forAudiences: [],
    }),
    verify: notPart,
    forget: notPart,
  }
  const revoked: RevokedSessions = {
    has: () => knowsRevoked,
    add: () => {
      knowsRevoked = true
    },
  }

  return {
    sessions,
    accessTokens,
    needsFor: (count) => ({
      policy,
      keys,
      sessions,
      events,
      accessTokens,
      revoked,
      count,
      ...NOT_PART,
    }),
    get knowsRevoked() {
      return knowsRevoked
    },
    get waiting() {
      return underWay.size + (rotation?.waiters ?? 0)
    },
    poll() {
      knowsRevoked ||= memory.row.revokedAt !== undefined
    },
    note(generation) {
      if (seen < 0) world.after(SEEN_NOTED_AFTER_MS, markSeen)
      seen = Math.max(seen, generation)
    },
    cut,
    restart() {
      cut()
      seen = -1
      knowsRevoked = memory.row.revokedAt !== undefined
      if (chance.happens(0.5)) keys = KEYS_NEXT
    },
  }
}

function notPart(): never {
  throw new Error('no part of a refresh')
}

const NOT_PART: Pick<RefreshNeeds, 'outbox' | 'refreshLimit'> = {
  outbox: { wake() {} },
  refreshLimit: { take() {} },
}
