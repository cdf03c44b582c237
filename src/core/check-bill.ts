import type { HashForm } from './hash-form.ts'
import { kindOf } from './hash-form.ts'

/** What checks of unlike kinds cost, counted in rounds of bcrypt, so that failed ones can be made to cost the same. */
export interface CheckBill {
  /** What one check against such a hash costs; `undefined` until one has been timed. */
  roundsOf(form: HashForm): number | undefined
  /** What every check that fails has to cost: the dearest kind of hash that has been met. */
  owed(): number
  /** Learns from a check that took so many milliseconds of its thread. */
  note(form: HashForm, ms: number): void
}

/** A table may hold hashes of any number of kinds, and memory may not. */
const KINDS_MAX = 64
/** One absurdly dear row must not make everybody's failed sign-ins as dear. */
const DEAREST_TIMES_OWN = 4

/** Times are taken where the work is done; the least ever seen of each kind is the one that nothing disturbed. */
export function createCheckBill(cost: number): CheckBill {
  const own = 2 ** cost
  const leastMs = new Map<string, number>()
  let msPerRound = Number.POSITIVE_INFINITY
  let dearestBcrypt = own

  function owed(): number {
    const dearest = Math.max(0, ...leastMs.values()) / msPerRound
    return Math.min(
      Math.max(own, dearestBcrypt, Number.isFinite(dearest) ? dearest : 0),
      own * DEAREST_TIMES_OWN,
    )
  }

  return {
    owed,

    roundsOf(form) {
      if (form.kind === 'bcrypt') return 2 ** form.cost
      const ms = leastMs.get(kindOf(form))
      return ms === undefined || msPerRound === Number.POSITIVE_INFINITY ? undefined : ms / msPerRound
    },

    note(form, ms) {
      if (form.kind === 'bcrypt') {
        msPerRound = Math.min(msPerRound, ms / 2 ** form.cost)
        dearestBcrypt = Math.max(dearestBcrypt, 2 ** form.cost)
        return
      }
      const kind = kindOf(form)
      const least = leastMs.get(kind)
      if (least === undefined && leastMs.size >= KINDS_MAX) return
      leastMs.set(kind, Math.min(least ?? ms, ms))
    },
  }
}
