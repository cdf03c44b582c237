import { FAMILIES, KEYED, KEYLESS, LOSSY, ROBBED } from './families.ts'
import type { Family } from './kinds.ts'

/** The families that any server is scored by: what they ask for can be seen from outside. */
export const SCORED: readonly Family[] = [KEYED, KEYLESS, ...LOSSY, ...ROBBED]

export interface Planned {
  /** Index among FAMILIES, which is what a replay names. */
  readonly family: number
  readonly n: number
}

/** Schedules one after another, the families mixed by their shares; the same ones each time. */
export function* plan(families: readonly Family[]): Generator<Planned, never> {
  const unit = families.reduce((least, { share }) => divisor(least, share), 0)
  const cycle = families
    .flatMap((family) => {
      const times = family.share / unit
      return Array.from({ length: times }, (_, n) => ({ family, times, n, place: (n + 0.5) / times }))
    })
    .sort((one, other) => one.place - other.place)
  for (let round = 0; ; round += 1)
    for (const { family, times, n } of cycle) yield { family: FAMILIES.indexOf(family), n: round * times + n }
}

function divisor(a: number, b: number): number {
  return a === 0 ? b : divisor(b % a, a)
}
