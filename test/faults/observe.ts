import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import type { Asked } from './ask.ts'
import type { Fault, Row } from './fault.ts'
import type { Losses } from './ledger.ts'
import { checkLedger } from './ledger.ts'
import { checkPools } from './pools.ts'
import type { World } from './world.ts'

/** How long clients use the service before the fault, and after it. */
const BEFORE_MS = 1500
const AFTER_MS = 2500

/** Has the fault happen while clients use the service, and looks what came of it. */
export async function observe(world: World, fault: Fault): Promise<Row> {
  const { asked, traffic, replicas } = world
  await fault.prepare?.(world)
  asked.splice(0)
  const lag = monitorEventLoopDelay({ resolution: 10 })
  lag.enable()
  if (!fault.isAlone) traffic.start(fault.isWithoutHashes ? 'without hashes' : 'with hashes')
  await pause(BEFORE_MS)
  const troubles: string[] = []
  const brokeAt = performance.now()
  await fault.happen(world).catch((error: Error) => troubles.push(error.message))
  const restoredAt = performance.now()
  await pause(Math.max(AFTER_MS, fault.promise.recoverWithinMs + 500))
  await traffic.stop()
  lag.disable()
  const seen = asked.splice(0)

  const base = () => world.replicas.map(({ url }) => url)
  const losses = await checkLedger({ client: world.client, replicas: base }, traffic.people)
  const complaints = [
    ...troubles,
    ...((await fault.check?.(world)) ?? []),
    ...(await checkPools(world)),
    ...replicas.flatMap(({ endedByItself, output }) =>
      endedByItself ? [`a replica has ended: ${output().slice(-500)}`] : [],
    ),
    ...(fault.promise.mayLoseWrites ? [] : losses.writes),
    ...losses.sessions,
  ]
  await fault.after?.(world)
  return judge(fault, seen, { complaints, losses, brokeAt, restoredAt, lagMs: lag.max / 1e6 })
}

interface Found {
  readonly complaints: string[]
  readonly losses: Losses
  /** Milliseconds of `performance.now()`. */
  readonly brokeAt: number
  readonly restoredAt: number
  /** By how much a timer of ours was late at the most. */
  readonly lagMs: number
}

function judge({ name, promise }: Fault, seen: readonly Asked[], found: Found): Row {
  const { losses, complaints, lagMs, brokeAt, restoredAt } = found
  const refused = seen.filter(({ status }) => status === 503)
  const unanswered = seen.filter(({ status }) => status === 0)
  const errors = seen.filter(({ status }) => status >= 500 && status !== 503)
  const others = seen.filter(({ status }) => status >= 300 && status < 500)
  const checks = seen.filter(({ kind }) => kind === 'check')
  const late = [...refused, ...unanswered].filter(({ startedAt }) => startedAt > restoredAt)
  const row: Row = {
    fault: name,
    requests: seen.length,
    lostWrites: losses.writes.length,
    lostSessions: losses.sessions.length,
    refused: refused.length,
    unanswered: unanswered.length,
    otherErrors: errors.length,
    slowestMs: slowest(seen),
    slowestCheckMs: slowest(checks),
    recoveryMs: Math.max(0, ...late.map(({ startedAt }) => startedAt - restoredAt)),
    complaints,
  }
  const miss = (isMissed: boolean, what: string) => isMissed && complaints.push(what)
  miss(seen.length === 0, 'nobody used the service')
  // What the same requests cost while nothing is wrong, and what a timer of ours is late, is not the fault's doing.
  const calm = seen.filter(
    ({ startedAt, endedAt }) => endedAt < brokeAt || startedAt > restoredAt + promise.recoverWithinMs,
  )
  const noiseMs = Math.max(row.slowestCheckMs, slowest(calm), lagMs)
  const beside = `where others took up to ${Math.round(noiseMs)} ms without a fault`
  const isSlow = Math.max(0, ...seen.map(withoutQueue)) - noiseMs > promise.answerWithinMs
  miss(isSlow, `the slowest answer, to ${slowestOf(seen)}, took ${Math.round(row.slowestMs)} ms, ${beside}`)
  const isLate = row.recoveryMs - noiseMs > promise.recoverWithinMs
  miss(isLate, `refused ${Math.round(row.recoveryMs)} ms after it was over, ${beside}`)
  miss(promise.refusesNobody === true && refused.length > 0, `${refused.length} were refused`)
  miss(promise.mayLeaveUnanswered !== true && unanswered.length > 0, `${unanswered.length} without an answer`)
  for (const { kind, status, code } of [...errors, ...(promise.mayLoseWrites ? [] : others)])
    complaints.push(`${kind} was answered ${status} ${code}`)
  for (const { kind, status } of checks)
    miss(status === 503, `${kind} was answered ${status}, though it needs no database`)
  miss(
    refused.some(({ hasRetryAfter }) => !hasRetryAfter),
    'a 503 without Retry-After',
  )
  return row
}

/** What each hash may wait for its turn (`plugins/bcrypt-pool.ts`), whatever else goes wrong. */
const IN_QUEUE_MS: Partial<Record<Asked['kind'], number>> = {
  login: 2000,
  register: 2000,
  'change password': 4000,
}

function withoutQueue({ kind, startedAt, endedAt }: Asked): number {
  return endedAt - startedAt - (IN_QUEUE_MS[kind] ?? 0)
}

function slowestOf(seen: readonly Asked[]): string {
  const all = slowest(seen)
  return seen.filter(({ startedAt, endedAt }) => endedAt - startedAt === all).map(({ kind }) => kind)[0] ?? ''
}

function slowest(seen: readonly Asked[]): number {
  return Math.max(0, ...seen.map(({ startedAt, endedAt }) => endedAt - startedAt))
}
