import type { Policy } from '../../src/core/policy.ts'
import type {
  Account,
  RevocationReason,
  Rotation,
  SecurityEvent,
  Session,
  SessionStore,
  SessionView,
} from '../../src/core/ports.ts'
import type { World } from './world.ts'

export interface Row extends Session {
  readonly revokedReason: RevocationReason | undefined
}

export type Cause = 'created' | 'rotated' | 'healed' | 'counted' | 'seen' | 'revoked'

/** A database with one session in it, that remembers every commit so that it can lose the last ones. */
export interface Memory {
  readonly row: Row
  /** Its own clock: the one of the verdicts. */
  readonly now: number
  commit(change: Partial<Row>, cause: Cause): void
  /** Loses the commits made since that moment, at most so many; the new primary's clock differs. */
  fallBack(since: number, commits: number, skewMs: number): void
}

export type CommitListener = (before: Row, after: Row, cause: Cause) => void

export function createMemory(world: World, first: Row, listener: CommitListener): Memory {
  const commits = [{ row: first, at: world.now }]
  let row = first
  let skew = 0
  return {
    get row() {
      return row
    },
    get now() {
      return Math.floor(world.now) + skew
    },
    commit(change, cause) {
      const before = row
      row = { ...row, ...change }
      commits.push({ row, at: world.now })
      listener(before, row, cause)
    },
    fallBack(since, most, skewMs) {
      let lost = 0
      while (lost < most && commits.length > 1 && (commits.at(-1)?.at ?? 0) >= since) {
        commits.pop()
        lost += 1
      }
      row = commits.at(-1)?.row ?? first
      skew += skewMs
      world.note(() => `the database lost ${lost} commits and is back at generation ${row.generation}`)
    },
  }
}

/** Runs a statement some time later, in one piece; rejects where its connection is cut. */
export type Statement = <T>(work: () => T) => Promise<T>

export interface SessionNeeds {
  readonly memory: Memory
  readonly policy: Policy
  readonly account: Account
  readonly statement: Statement
  /** Whether somebody else holds the row at this moment. */
  readonly isLocked: () => boolean
  readonly record: (event: SecurityEvent) => void
}

/** The promises of the port, kept in memory. Verbs that no refresh needs are not here. */
export function createSessions(needs: SessionNeeds) {
  const { memory, policy, account, statement, record } = needs
  const view = (): SessionView => ({ session: memory.row, account, now: memory.now })
  const isThere = (sessionId: string) => memory.row.id === sessionId
  const isLiveAt = (sessionId: string, generation: number) =>
    isThere(sessionId) && memory.row.revokedAt === undefined && memory.row.generation === generation

  function rotate({ sessionId, generation, key }: Rotation): SessionView | undefined {
    const { row, now } = memory
    const isOpen =
      isLiveAt(sessionId, generation) &&
      row.rotates &&
      !account.disabled &&
      row.expiresAt > now &&
      row.rotatedAt > now - policy.refreshIdleTtlSeconds * 1000
    if (!isOpen) return undefined
    const isReused = key?.previousDigests.some((digest) => row.retryKey?.equals(digest)) ?? false
    const change = {
      generation: row.generation + 1,
      rotatedAt: now,
      lateReplays: row.lateGeneration === row.generation ? row.lateReplays : 0,
      retryKey: isReused ? key?.reusedDigest : key?.digest,
    }
    memory.commit(change, 'rotated')
    return view()
  }

  const sessions: Pick<
    SessionStore,
    'rotate' | 'rotateAlone' | 'find' | 'heal' | 'countLateReplay' | 'revoke'
  > = {
    rotate: (rotation) => statement(() => (needs.isLocked() ? undefined : rotate(rotation))),
    rotateAlone: (rotation) => statement(() => rotate(rotation)),
    find: (sessionId) => statement(() => (isThere(sessionId) ? view() : undefined)),
    heal: (sessionId, from, to, caller) =>
      statement(() => {
        if (!isLiveAt(sessionId, from) || !memory.row.rotates) return false
        memory.commit({ generation: to, floorGeneration: to }, 'healed')
        record({ kind: 'refresh_healed', caller, sessionId })
        return true
      }),
    countLateReplay: (sessionId, generation, caller) =>
      statement(() => {
        const { row } = memory
        if (!isLiveAt(sessionId, generation) || row.lateGeneration === generation) return false
        memory.commit({ lateReplays: row.lateReplays + 1, lateGeneration: generation }, 'counted')
        record({ kind: 'refresh_lost_answer', caller, sessionId })
        return true
      }),
    revoke: (sessionId, generation, reason, event) =>
      statement(() => {
        if (!isLiveAt(sessionId, generation ?? memory.row.generation)) return false
        record(event)
        memory.commit({ revokedAt: memory.now, revokedReason: reason }, 'revoked')
        return true
      }),
  }
  return sessions
}
