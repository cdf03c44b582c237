import type { Policy } from '../../src/core/policy.ts'
import type { SecurityEvent } from '../../src/core/ports.ts'
import type { RefreshNeeds } from '../../src/core/refresh.ts'
import type { ServerKeys } from '../../src/core/server-keys.ts'
import type { Chance } from './chance.ts'
import type { Memory } from './memory.ts'
import { createSessions } from './memory.ts'
import { ACCOUNT, KEYS_NEXT, KEYS_NOW } from './realm.ts'
import type { Witness } from './witness.ts'
import type { World } from './world.ts'

/** A connection that was cut: what was under way may or may not have happened. */
export class Cut extends Error {}

/** One process of the service: what its verbs need, and what it holds in its memory. */
export interface Replica {
  readonly needs: RefreshNeeds
  readonly knowsRevoked: boolean
  /** How many of its statements wait for the database. */
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
  /** How likely a row is locked by somebody else when a rotation skips what is locked. */
  readonly locked: number
}

const SEEN_NOTED_AFTER_MS = 1000
const SEEN_LOST = 0.05

export function createReplica({ world, chance, memory, witness, policy, locked }: ReplicaNeeds): Replica {
  const underWay = new Set<{ cut: boolean; readonly reject: (error: Cut) => void }>()
  let keys: ServerKeys = KEYS_NOW
  let knowsRevoked = false
  /** Generations met since the last note to the database. */
  let seen = -1

  function statement<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const entry = { cut: false, reject }
      underWay.add(entry)
      world.after(chance.happens(0.9) ? chance.between(1, 5) : chance.between(5, 300), () => {
        if (entry.cut) {
          if (chance.happens(0.5)) work()
        } else {
          underWay.delete(entry)
          resolve(work())
        }
      })
    })
  }

  function cut(): void {
    for (const entry of underWay) {
      entry.cut = true
      entry.reject(new Cut())
    }
    underWay.clear()
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

  const isLocked = () => chance.happens(locked)
  const sessions = createSessions({ memory, policy, account: ACCOUNT, statement, isLocked, record })

  const needs: RefreshNeeds = {
    policy,
    get keys() {
      return keys
    },
    sessions: { ...sessions, create: notPart, createFirst: notPart, revokeAll: notPart },
    events: { record: (event) => statement(() => record(event)) },
    accessTokens: {
      mint: (_account, _sessionId, generation) => ({
        token: `${generation}:${world.now + policy.accessTtlSeconds * 1000}`,
        expiresIn: Math.floor(policy.accessTtlSeconds * chance.between(0.95, 1)),
      }),
      verify: notPart,
    },
    revoked: {
      has: () => knowsRevoked,
      add: () => {
        knowsRevoked = true
      },
    },
    refreshLimit: { take() {} },
    count() {},
    outbox: outOfScope('outbox'),
  }

  return {
    needs,
    get knowsRevoked() {
      return knowsRevoked
    },
    get waiting() {
      return underWay.size
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

function outOfScope<T extends object>(name: string): T {
  return new Proxy({} as T, {
    get: () => {
      throw new Error(`a refresh has no business with ${name}`)
    },
  })
}
