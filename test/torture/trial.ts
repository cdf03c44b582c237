import type { Adapter, RecordedReplays } from './adapter.ts'
import { chanceOf, mixSeed } from './chance.ts'
import { FAMILIES } from './families.ts'
import type { Ledger } from './ledger.ts'
import { createLedger } from './ledger.ts'
import { drive } from './run.ts'
import type { Schedule } from './schedule.ts'
import { stage } from './staged.ts'
import { createWorld } from './world.ts'

/** After any real time, so that no clock which a server looks at besides the one it is given is ahead. */
const START = Date.UTC(2100, 0, 1)

export interface Trial {
  readonly family: number
  readonly n: number
  readonly schedule: Schedule
  readonly ledger: Ledger
  /** What the server has a record of, where it can tell. */
  readonly recordedReplays: RecordedReplays | undefined
  readonly log: readonly string[]
}

/** Schedule `n` of a family: the same one each time. */
export function drawSchedule(family: number, seed: number, n: number): Schedule {
  const drawn = FAMILIES[family]
  if (drawn === undefined) throw new Error(`there is no family ${family}`)
  return drawn.draw(chanceOf(mixSeed(seed, family, n)))
}

/** Runs schedule `n` of a family against a server, to its end. */
export async function tryServer(
  adapter: Adapter,
  family: number,
  seed: number,
  n: number,
  keepsLog = false,
): Promise<Trial> {
  const own = mixSeed(seed, family, n)
  const schedule = drawSchedule(family, seed, n)
  const world = createWorld(START, keepsLog)
  const ledger = createLedger(world, adapter.lives)
  const terms = {
    replicas: Math.min(schedule.model.replicas, adapter.replicas),
    mayFailOver: schedule.faults.some(({ kind }) => kind !== 'restart'),
  }
  const subject = await adapter.open(terms)
  try {
    await drive(world, stage(world, chanceOf(mixSeed(own, 1)), subject, ledger, terms), schedule, own)
    const recordedReplays = await subject.recordedReplays?.()
    return { family, n, schedule, ledger, recordedReplays, log: world.log }
  } finally {
    await subject.end()
  }
}
