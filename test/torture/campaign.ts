import { chanceOf, mixSeed } from './chance.ts'
import type { Family } from './families.ts'
import { FAMILIES } from './families.ts'
import type { Ending, FalseLogout } from './judge.ts'
import { endingOf, falseLogoutOf } from './judge.ts'
import type { Ran } from './run.ts'
import { runSchedule } from './run.ts'

export type Finding = Ending | FalseLogout

/** What came of the schedules of one family. */
export interface Tally {
  readonly family: Family
  schedules: number
  refreshes: number
  /** Requests that came inside the grace after somebody else had moved on, and were answered. */
  answeredInGrace: number
  /** How often each finding was made, and in which schedule first. */
  readonly found: Map<Finding, { times: number; readonly first: number }>
  /** Promises that hold always, broken: each with the schedule to replay. */
  readonly broken: { readonly promise: string; readonly schedule: number }[]
}

/** Runs so many schedules of a family, the first ones of this seed. */
export async function runFamily(family: Family, seed: number, count: number): Promise<Tally> {
  const tally: Tally = {
    family,
    schedules: 0,
    refreshes: 0,
    answeredInGrace: 0,
    found: new Map(),
    broken: [],
  }
  for (let n = 0; n < count; n += 1) {
    const { witness, finding } = await replay(family, seed, n, false)
    tally.schedules += 1
    tally.refreshes += Object.values(witness.outcomes).reduce((sum, times) => sum + times, 0)
    tally.answeredInGrace += witness.answeredInGrace
    for (const promise of witness.broken) tally.broken.push({ promise, schedule: n })
    if (finding === undefined) continue
    const known = tally.found.get(finding) ?? { times: 0, first: n }
    known.times += 1
    tally.found.set(finding, known)
  }
  return tally
}

/** One schedule of a family once more, with a log of all its steps. */
export async function replay(
  family: Family,
  seed: number,
  n: number,
  keepsLog = true,
): Promise<Ran & { readonly finding: Finding | undefined }> {
  const own = mixSeed(seed, FAMILIES.indexOf(family), n)
  const schedule = family.draw(chanceOf(own))
  const ran = await runSchedule(schedule, own, keepsLog)
  const isStrict = schedule.model.replay === 'strict'
  return {
    ...ran,
    finding: schedule.thief === undefined ? falseLogoutOf(ran.witness, isStrict) : endingOf(ran.witness),
  }
}
