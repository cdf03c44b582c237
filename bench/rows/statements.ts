import { setTimeout as pause } from 'node:timers/promises'
import type { Bench } from '../bench.ts'
import { CONNECTIONS } from '../bench.ts'
import type { Row } from '../table.ts'
import { count } from '../table.ts'
import type { TrafficKind } from '../traffic.ts'

type Statements = Readonly<Record<string, number>>

/** Long enough for every clock of the service to have struck. */
const IDLE_MS = 2500
/** Written every 200 ms for all sessions together, off the path of any request. */
const BATCHED = new Set(['mark_seen'])

/** Statements that the service sends to Postgres, per request; those it sends while nobody asks do not count. */
export async function statementRows(bench: Bench): Promise<Row[]> {
  const background = new Set([...Object.keys(await during(bench, () => pause(IDLE_MS))), ...BATCHED])
  const seconds = bench.rig.effort.seconds
  const cases: [string, number, TrafficKind][] = [
    ['refresh', 1, { kind: 'refresh' }],
    ['login', 3, { kind: 'login', ...bench.login }],
    ['status check', 0, { kind: 'get', path: '/check-auth-status' }],
  ]
  const rows: Row[] = []
  for (const [verb, atMost, traffic] of cases) {
    let answered = 0
    const sent = await during(bench, async () => {
      const { port } = bench.service
      answered = (await bench.rig.load({ port, connections: CONNECTIONS, seconds, traffic })).answered
    })
    const counted = Object.entries(sent).filter(([name]) => !background.has(name))
    const statements = counted.reduce((sum, [, times]) => sum + times, 0)
    rows.push({
      what: `SQL statements per ${verb}`,
      measured: `${count(statements / answered)} (${statements} for ${answered})`,
      yardstick: 'counted in the service',
      rounds: [statements / answered],
      target: { atMost },
      unit: '',
    })
  }
  return rows
}

async function during({ service }: Bench, work: () => Promise<unknown>): Promise<Statements> {
  const before = await service.ask<Statements>({ ask: 'statements' })
  await work()
  const after = await service.ask<Statements>({ ask: 'statements' })
  return Object.fromEntries(
    Object.entries(after)
      .map(([name, times]): [string, number] => [name, times - (before[name] ?? 0)])
      .filter(([, times]) => times > 0),
  )
}
