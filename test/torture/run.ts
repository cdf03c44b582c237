import { chanceOf, mixSeed } from './chance.ts'
import type { Client } from './client.ts'
import { createClient } from './client.ts'
import type { Traffic } from './line.ts'
import { createLine } from './line.ts'
import { createModel } from './model.ts'
import type { Fault, Schedule } from './schedule.ts'
import type { Faults, Server } from './server.ts'
import { createThief } from './thief.ts'
import type { Witness } from './witness.ts'
import { createWitness } from './witness.ts'
import type { World } from './world.ts'
import { createWorld } from './world.ts'

const START = Date.UTC(2026, 0, 1)
/** How far back a fail-over may lose commits. */
const LAG_MS = 10_000

export interface Ran {
  readonly witness: Witness
  readonly log: readonly string[]
}

/** Runs one schedule against the model to its end; every draw comes from the seed. */
export async function runSchedule(schedule: Schedule, seed: number, keepsLog: boolean): Promise<Ran> {
  const world = createWorld(START, keepsLog)
  const witness = createWitness(world)
  const server = createModel(world, chanceOf(mixSeed(seed, 1)), witness, schedule.model)
  await drive(world, server, schedule, seed)
  return { witness, log: world.log }
}

/** Lets client, thief and faults of a schedule loose on any server; what the server is made of is its own affair. */
export async function drive(
  world: World,
  server: Server & Partial<Faults>,
  schedule: Schedule,
  seed: number,
): Promise<Client> {
  const traffic: Traffic = { unanswered: 0, defect: undefined }
  const chance = chanceOf(mixSeed(seed, 2))
  const line = createLine(world, server, traffic, chance, 'client', schedule.line)
  const client = createClient(world, line, chance, schedule.client)

  if (schedule.thief !== undefined) {
    const chance = chanceOf(mixSeed(seed, 3))
    const line = createLine(world, server, traffic, chance, 'thief', { loss: 0, timeoutMs: 5000, zombies: 0 })
    createThief(world, line, chance, schedule.thief, client)
  }

  let requests = 0
  client.onSent(() => {
    requests += 1
    for (const fault of schedule.faults) {
      if (fault.afterRequest === requests)
        world.after(fault.delayMs, () => happen(world, server, traffic, fault, requests))
    }
  })

  client.start(await server.logIn())
  await world.run(() => {
    if (traffic.defect !== undefined) throw traffic.defect
    return traffic.unanswered > server.waiting()
  }, server.breathe)
  return client
}

/** What takes real time holds virtual time up; a fault that the server does not offer does not happen. */
function happen(
  world: World,
  server: Partial<Faults>,
  traffic: Traffic,
  fault: Fault,
  requests: number,
): void {
  const since = fault.kind === 'fail over' ? world.now - LAG_MS : -Infinity
  const happening =
    fault.kind === 'restart' ? server.restart?.(requests) : server.failOver?.(since, fault.commits)
  if (happening === undefined) return
  traffic.unanswered += 1
  happening
    .then(() => {
      traffic.unanswered -= 1
    })
    .catch((defect) => {
      traffic.defect ??= defect
    })
}
