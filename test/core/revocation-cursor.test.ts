import { randomBytes, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { Knowledge } from '../../src/core/revocation-cursor.ts'
import {
  COMMIT_WITHIN_SECONDS,
  encodeCursor,
  judgeCursor,
  LATE_WITHIN_SECONDS,
  LIFE_BYTES,
} from '../../src/core/revocation-cursor.ts'
import { createRevocationLog } from '../../src/core/revocation-log.ts'

const KEPT_SECONDS = 300

/** A replica as `plugins/revocations.ts` has it: it asks every second with an overlap, and for everything each minute. */
function createReplica(database: readonly Committed[]) {
  const log = createRevocationLog()
  const life = randomBytes(LIFE_BYTES)
  let [clock, lateAt] = [0, 0]
  const learn = (now: number, after: number) =>
    database
      .filter(({ stampedAt, committedAt }) => stampedAt > after && committedAt <= now)
      .filter(({ id, stampedAt }) => log.add(id, stampedAt)).length
  return {
    start(now: number) {
      learn(now, now - KEPT_SECONDS * 1000)
      clock = now
    },
    poll(now: number, isMinute: boolean) {
      learn(now, clock - COMMIT_WITHIN_SECONDS * 1000)
      clock = now
      if (isMinute && learn(now, now - KEPT_SECONDS * 1000) > 0) lateAt = clock
      log.forgetUntil(now - KEPT_SECONDS * 1000)
    },
    known: (): Knowledge => ({
      life,
      clock,
      lateAt,
      position: log.last,
      forgotten: log.forgotten,
      heldSince: clock - KEPT_SECONDS * 1000,
    }),
    log,
  }
}

interface Committed {
  readonly id: string
  readonly stampedAt: number
  readonly committedAt: number
}

const START = 1_700_000_000_000

t.test(
  'a reader that is sent from replica to replica misses nothing, however late it was committed',
  async (t) => {
    const revocation = fc.record({
      at: fc.integer({ min: 0, max: 400 }),
      takes: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 100 })),
    })
    const visit = fc.record({ pause: fc.integer({ min: 1, max: 40 }), replica: fc.nat(2) })
    const ages = fc.tuple(fc.nat(59), fc.nat(59), fc.nat(59))
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(
          fc.array(revocation, { maxLength: 40 }),
          fc.array(visit, { maxLength: 40 }),
          ages,
          (all, visits, age) => {
            const database = all.map(({ at, takes }) => ({
              id: randomUUID(),
              stampedAt: START + at * 1000,
              committedAt: START + (at + takes) * 1000,
            }))
            const replicas = age.map(() => createReplica(database))
            const minuteOf = new Map(replicas.map((replica, index) => [replica, age[index] ?? 0]))
            for (const replica of replicas) replica.start(START)
            const read = new Set<string>()
            let [cursor, seconds]: [string | undefined, number] = [undefined, 0]
            for (const { pause, replica: chosen } of visits) {
              for (const end = seconds + pause; seconds < end; ) {
                seconds += 1
                for (const replica of replicas)
                  replica.poll(
                    START + seconds * 1000,
                    (seconds + (minuteOf.get(replica) ?? 0)) % LATE_WITHIN_SECONDS === 0,
                  )
              }
              const replica = replicas[chosen]
              if (replica === undefined) continue
              const telling = judgeCursor(cursor, replica.known())
              for (const { sessionId, revokedAt } of replica.log.after(
                telling.kind === 'behind' ? telling.position : 0,
              ))
                if (telling.kind !== 'since' || revokedAt > telling.revokedAfter) read.add(sessionId)
              cursor = encodeCursor(replica.known())
              // What this replica knows and still holds, its reader knows.
              for (const { sessionId } of replica.log.after(0)) if (!read.has(sessionId)) return false
            }
            return true
          },
        ),
        { numRuns: 400 },
      ),
    )
  },
)

t.test(
  'by position where this life of the replica wrote the cursor, by time where another one did',
  async (t) => {
    const known: Knowledge = {
      life: randomBytes(LIFE_BYTES),
      position: 50,
      clock: START,
      forgotten: 10,
      heldSince: START - KEPT_SECONDS * 1000,
      lateAt: 0,
    }
    const other = { ...known, life: randomBytes(LIFE_BYTES) }
    const all = (reset: boolean) => ({ kind: 'all', reset }) as const
    t.strictSame(judgeCursor(undefined, known), all(false))
    t.strictSame(judgeCursor(encodeCursor({ ...known, position: 20 }), known), {
      kind: 'behind',
      position: 20,
    })
    t.strictSame(judgeCursor(encodeCursor({ ...known, position: 10 }), known), {
      kind: 'behind',
      position: 10,
    })
    t.strictSame(judgeCursor(encodeCursor({ ...known, position: 9 }), known), all(true), 'too old')
    t.strictSame(judgeCursor(encodeCursor({ ...known, position: 51 }), known), all(true), 'never given out')
    const since = (seconds: number) =>
      judgeCursor(encodeCursor({ ...other, clock: START + seconds * 1000 }), known)
    t.strictSame(since(-30), { kind: 'since', revokedAfter: START - 42_000 })
    t.strictSame(since(-289), all(true), 'older than what is held')
    t.strictSame(since(11), all(true), 'of a clock that nobody had')
    const late = { ...known, lateAt: START - 20_000 }
    t.strictSame(judgeCursor(encodeCursor(other), late), all(true), 'something came late meanwhile')
    for (const text of [
      '',
      'x',
      '0',
      'A'.repeat(27),
      `${encodeCursor(known)}A`,
      `${encodeCursor(known)}=`,
      '\u0000',
    ])
      t.match(judgeCursor(text, known), { kind: 'all' }, JSON.stringify(text))
  },
)
