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
  /** How long somebody else still holds the row, in milliseconds; 0 when nobody does. */
  readonly lockedFor: number
  lock(milliseconds: number): void
  commit(change: Partial<Row>, cause: Cause): void
  /** Loses the commits made since that moment, at most so many; the new primary's clock differs. */
  fallBack(since: number, commits: number, skewMs: number): void
}

export type CommitListener = (before: Row, after: Row, cause: Cause) => void

export function createMemory(world: World, first: Row, listener: CommitListener): Memory {
  const commits = [{ row: first, at: world.now }]
  let row = first
  let skew = 0
  let lockedUntil = 0
  return {
    get row() {
      return row
    },
    get now() {
      return Math.floor(world.now) + skew
    },
    get lockedFor() {
      return Math.max(0, lockedUntil - world.now)
    },
    lock(milliseconds) {
      world.note(() => `somebody else holds the row for ${Math.round(milliseconds)} ms`)
      lockedUntil = world.now + milliseconds
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

/** Only `rotates` leaves out a row that somebody else holds; what writes otherwise waits for it. */
export type StatementKind = 'reads' | 'writes' | 'rotates' | 'rotates alone'

/**
 * Runs a statement some time later, in one piece, told when it began by the database's clock; rejects where its
 * connection is cut or it waited too long.
 */
export type Statement = <T>(kind: StatementKind, work: (begun: number) => T) => Promise<T>

export interface SessionNeeds {
  readonly memory: Memory
  readonly policy: Policy
  readonly account: Account
  readonly statement: Statement
  readonly record: (event: SecurityEvent) => void
}

/** The promises of the port, kept in memory. Verbs that no refresh needs are not here. */
export function createSessions(needs: SessionNeeds) {
  const { memory, policy, account, statement, record } = needs
  const view = (): SessionView => ({ session: memory.row, account, now: memory.now })
  const isThere = (sessionId: string) => memory.row.id === sessionId
  const isLiveAt = (sessionId: string, generation: number) =>
    isThere(sessionId) && memory.row.revokedAt === undefined && memory.row.generation === generation

  function rotate({ sessionId, generation, key }: Rotation, begun: number): SessionView | undefined {
    const { row } = memory
    const isOpen =
      isLiveAt(sessionId, generation) &&
      row.rotates &&
      !account.disabled &&
      row.expiresAt > begun &&
      row.rotatedAt > begun - policy.refreshIdleTtlSeconds * 1000
    if (!isOpen) return undefined
    const isReused = key?.previousDigests.some((digest) => row.retryKey?.equals(digest)) ?? false
    const change = {
      generation: row.generation + 1,
      rotatedAt: begun,
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
    rotate: (rotation) =>
      statement('rotates', (begun) => (memory.lockedFor > 0 ? undefined : rotate(rotation, begun))),
    rotateAlone: (rotation) => statement('rotates alone', (begun) => rotate(rotation, begun)),
    find: (sessionId) => statement('reads', () => (isThere(sessionId) ? view() : undefined)),
    heal: (sessionId, from, to, caller) =>
      statement('writes', (begun) => {
        if (!isLiveAt(sessionId, from) || !memory.row.rotates) return false
        memory.commit({ generation: to, floorGeneration: to, rotatedAt: begun }, 'healed')
        record({ kind: 'refresh_healed', caller, sessionId })
        return true
      }),
    countLateReplay: (sessionId, generation, caller) =>
      statement('writes', () => {
        const { row } = memory
        if (!isLiveAt(sessionId, generation) || row.lateGeneration === generation) return false
        memory.commit({ lateReplays: row.lateReplays + 1, lateGeneration: generation }, 'counted')
        record({ kind: 'refresh_lost_answer', caller, sessionId })
        return true
      }),
    revoke: (sessionId, generation, reason, event) =>
      statement('writes', (begun) => {
        if (!isLiveAt(sessionId, generation ?? memory.row.generation)) return false
        record(event)
        memory.commit({ revokedAt: begun, revokedReason: reason }, 'revoked')
        return true
      }),
  }
  return sessions
}
