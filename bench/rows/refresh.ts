import type { Bench, Served } from '../bench.ts'
import { CONNECTIONS, FIRST_OF_YARDSTICK, interleave, serve } from '../bench.ts'
import { findPgbench, runPgbench } from '../pgbench.ts'
import type { RotationFigures } from '../rotations.ts'
import type { Row } from '../table.ts'
import { count, median } from '../table.ts'
import { SESSIONS } from '../traffic.ts'
import { postgresCpuMicros } from '../usage.ts'

interface Refreshed extends Served {
  /** Of Postgres per rotation, microseconds; NaN where it cannot be told. */
  readonly databaseCpuMicros: number
}

/** Refreshes, every one a rotation, beside the same statement alone; and their CPU beside that of a bare route. */
export async function refreshRows(bench: Bench): Promise<Row[]> {
  const { rig, bare, barePort } = bench
  const pgbench = findPgbench()
  const results = await interleave<{ alone: number; refresh: Refreshed; bare: Served }>(rig.effort.rounds, {
    alone: () => statementAlone(bench, pgbench),
    refresh: () => refresh(bench),
    bare: () =>
      serve(bench, bare, {
        port: barePort,
        connections: CONNECTIONS,
        seconds: rig.effort.seconds,
        traffic: { kind: 'get', path: '/bare' },
      }),
  })

  const middle = (of: (round: (typeof results)[number]) => number) => count(median(results.map(of)))
  const alone = pgbench === undefined ? 'node pg (no pgbench here)' : 'pgbench -M prepared'
  return [
    {
      what: `/refresh, every request a rotation, ${CONNECTIONS} connections, requests/s`,
      measured: `${middle((round) => round.refresh.perSecond)}, p99 ${middle((round) => round.refresh.p99)} ms`,
      yardstick: `${middle((round) => round.alone)}, the same statement by ${alone}, ${CONNECTIONS} clients`,
      rounds: results.map((round) => round.refresh.perSecond / round.alone),
      target: { atLeast: 0.8 },
    },
    {
      what: 'CPU of a refresh, service and database',
      measured: `${middle((round) => round.refresh.cpuMicros)} + ${middle((round) => round.refresh.databaseCpuMicros)} µs`,
      yardstick: `${middle((round) => round.bare.cpuMicros)} µs, a request to the bare route`,
      rounds: results.map((round) => totalCpu(round.refresh) / round.bare.cpuMicros),
      target: { atMost: 6 },
    },
  ]
}

async function refresh(bench: Bench): Promise<Refreshed> {
  const { rig, service } = bench
  const before = postgresCpuMicros(rig.postgresDirectory)
  const served = await serve(bench, service, {
    port: service.port,
    connections: CONNECTIONS,
    seconds: rig.effort.seconds,
    traffic: { kind: 'refresh' },
  })
  const after = postgresCpuMicros(rig.postgresDirectory)
  const used = before === undefined || after === undefined ? Number.NaN : after - before
  return { ...served, databaseCpuMicros: used / served.answered }
}

function totalCpu({ cpuMicros, databaseCpuMicros }: Refreshed): number {
  return cpuMicros + databaseCpuMicros
}

/** The one statement of a rotation, a second, with nothing of the service around it. */
async function statementAlone({ rig, database }: Bench, pgbench: string | undefined): Promise<number> {
  const first = FIRST_OF_YARDSTICK
  const seconds = Math.max(1, Math.round(rig.effort.seconds))
  if (pgbench !== undefined) {
    return runPgbench(pgbench, { database, first, clients: CONNECTIONS, seconds, directory: rig.directory })
  }
  const { perSecond } = await rig.helper('rotations').ask<RotationFigures>({
    ask: 'rotate-each-alone',
    url: database.url,
    first,
    sessions: SESSIONS,
    inFlight: CONNECTIONS,
    seconds,
  })
  return perSecond
}
