import { setTimeout as pause } from 'node:timers/promises'
import type { Bench } from '../bench.ts'
import type { BenchDatabase } from '../database.ts'
import type { RotationFigures } from '../rotations.ts'
import type { Row } from '../table.ts'
import { count } from '../table.ts'

const ROTATIONS = 1_000_000
const SESSIONS = 10_000
/** As many as the store puts into one statement. */
const IN_FLIGHT = 128
/** Postgres publishes what a connection did when it ends, or after some seconds. */
const PUBLISHED_WITHIN_MS = 15_000

interface State {
  readonly rows: number
  readonly bytes: number
  readonly wal: number
}

const STATE = `
  SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM users) + (SELECT count(*) FROM events)
         + (SELECT count(*) FROM outbox) + (SELECT count(*) FROM counters) AS rows,
         pg_total_relation_size('sessions') AS bytes,
         pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal`

/** What rotations leave behind: a fifth of them first, then a vacuum, then the others, which are counted. */
export async function growthRows({ rig }: Bench): Promise<Row[]> {
  const { rounds, seconds } = rig.effort
  const database = await rig.database('growth', { users: SESSIONS, sessions: SESSIONS })
  const limit = rounds > 1 ? 8 * seconds : seconds
  const rotate = (atMost: number, forSeconds: number) =>
    rig.helper('rotations').ask<RotationFigures>({
      ask: 'rotate',
      url: database.url,
      first: 1,
      sessions: SESSIONS,
      inFlight: IN_FLIGHT,
      seconds: forSeconds,
      atMost,
    })
  const first = await rotate(ROTATIONS / 5, limit / 5)
  await database.one('VACUUM sessions')
  const before = await stateOf(database)
  const rest = await rotate(ROTATIONS - first.rotated, limit)
  const after = await stateOf(database)
  const total = first.rotated + rest.rotated
  if (first.missed + rest.missed > 0) throw new Error(`${first.missed + rest.missed} rotations did nothing`)

  const judged = (what: string, value: number, atMost: number, unit: string): Row => ({
    what,
    measured: `${count(value)}${unit}`,
    yardstick: `${rest.rotated.toLocaleString('en')} rotations of ${SESSIONS.toLocaleString('en')} sessions`,
    rounds: [value],
    target: { atMost },
    unit,
  })
  return [
    judged('rows added by rotations', after.rows - before.rows, 0, ''),
    judged('growth of the table after the first vacuum', after.bytes - before.bytes, 0, ' B'),
    judged('WAL of a rotation in steady state', (after.wal - before.wal) / rest.rotated, 200, ' B'),
    { ...(await hotRow(database, total)) },
  ]
}

async function hotRow(database: BenchDatabase, total: number): Promise<Row> {
  const text = `SELECT n_tup_upd AS updates, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relname = 'sessions'`
  const end = performance.now() + PUBLISHED_WITHIN_MS
  let stats = await database.one(text)
  while (Number(stats['updates']) < total && performance.now() < end) {
    await pause(250)
    stats = await database.one(text)
  }
  const share = (100 * Number(stats['hot'])) / Number(stats['updates'])
  return {
    what: 'updates of sessions that were heap-only',
    measured: `${share.toFixed(2)} %`,
    yardstick: `${Number(stats['updates']).toLocaleString('en')} updates in pg_stat_user_tables`,
    rounds: [share],
    target: { atLeast: 99 },
    unit: ' %',
  }
}

async function stateOf(database: BenchDatabase): Promise<State> {
  const { rows, bytes, wal } = await database.one(STATE)
  return { rows: Number(rows), bytes: Number(bytes), wal: Number(wal) }
}
