import { setTimeout as pause } from 'node:timers/promises'
import type { Asked } from './ask.ts'
import type { Fault, Row } from './fault.ts'
import { checkLedger } from './ledger.ts'
import { checkPools } from './pools.ts'
import type { World } from './world.ts'

/** How long clients use the service before the fault, and after it. */
const BEFORE_MS = 1000
const AFTER_MS = 2500

/** Has the fault happen while clients use the service, and looks what came of it. */
export async function observe(world: World, fault: Fault): Promise<Row> {
  const { asked, traffic, replicas } = world
  await fault.prepare?.(world)
  asked.splice(0)
  traffic.start()
  await pause(BEFORE_MS)
  await fault.happen(world)
  const restoredAt = performance.now()
  await pause(Math.max(AFTER_MS, fault.promise.recoverWithinMs + 500))
  await traffic.stop()
  const seen = asked.splice(0)

  const base = () => world.replicas.map(({ url }) => url)
  const losses = await checkLedger({ client: world.client, replicas: base }, traffic.people)
  const complaints = [
    ...((await fault.check?.(world)) ?? []),
    ...(await checkPools(world)),
    ...replicas.flatMap(({ endedByItself, output }) =>
      endedByItself ? [`a replica has ended: ${output().slice(-500)}`] : [],
    ),
    ...(fault.promise.mayLoseWrites ? [] : losses.writes),
    ...losses.sessions,
  ]
  return judge(fault, seen, restoredAt, { complaints, losses })
}

function judge(
  { name, promise }: Fault,
  seen: readonly Asked[],
  restoredAt: number,
  found: { complaints: string[]; losses: { writes: readonly unknown[]; sessions: readonly unknown[] } },
): Row {
  const { losses, complaints } = found
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
  miss(row.slowestMs > promise.answerWithinMs, `the slowest answer took ${Math.round(row.slowestMs)} ms`)
  miss(row.recoveryMs > promise.recoverWithinMs, `refused ${Math.round(row.recoveryMs)} ms after it was over`)
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

function slowest(seen: readonly Asked[]): number {
  return Math.max(0, ...seen.map(({ startedAt, endedAt }) => endedAt - startedAt))
}
