import type { Chance } from './chance.ts'
import type { Family } from './kinds.ts'
import { keyed, keyless, withLoss, withZombies } from './kinds.ts'
import type { Schedule } from './schedule.ts'
import { carefulClient, robbedClient } from './schedule.ts'
import { UNPROMISED, UNSTOPPABLE } from './unpromised.ts'

const lossy = (from: number, to: number) => (chance: Chance) =>
  withLoss(carefulClient(chance, 'none'), chance.between(from, to))

/** Honest clients that do what the README asks for. */
export const KEYED: Family = { name: 'with Idempotency-Key, loss 0 to 40 %', share: 280, draw: keyed }
export const KEYLESS: Family = { name: 'without key, loss 0 to 5 %', share: 200, draw: keyless }

export const LOSSY: readonly Family[] = [
  { name: 'without key, loss 5 to 10 %', share: 40, draw: lossy(0.05, 0.1) },
  { name: 'without key, loss 10 to 20 %', share: 40, draw: lossy(0.1, 0.2) },
  { name: 'without key, loss 20 to 30 %', share: 40, draw: lossy(0.2, 0.3) },
  { name: 'without key, loss 30 to 40 %', share: 40, draw: lossy(0.3, 0.4) },
]

/** Sessions of dialects whose clients never store a new token. */
export const FIXED: Family = {
  name: 'non-rotating session',
  share: 10,
  draw: (chance) => {
    const schedule = withZombies(keyed(chance))
    return { ...schedule, model: { ...schedule.model, rotates: false } }
  },
}

const MANNERS = ['eager', 'lazy', 'before', 'after', 'grace', 'woven'] as const

/** Thieves who copy the storage once. */
export const ROBBED: readonly Family[] = MANNERS.map((manner) => ({
  name: `thief, ${manner}`,
  share: 20,
  draw: (chance) => robbedClient(chance, manner),
}))

function inStrictMode(schedule: Schedule): Schedule {
  return { ...schedule, model: { ...schedule.model, replay: 'strict' } }
}

export const STRICT: readonly Family[] = [
  {
    name: 'strict mode, honest client',
    share: 15,
    draw: (chance) => inStrictMode(chance.pick([keyed, keyless])(chance)),
  },
  {
    name: 'strict mode, thief',
    share: 20,
    draw: (chance) => inStrictMode(robbedClient(chance, chance.pick(MANNERS))),
  },
]

export const FAMILIES: readonly Family[] = [
  KEYED,
  KEYLESS,
  ...LOSSY,
  FIXED,
  ...ROBBED,
  ...STRICT,
  ...UNPROMISED,
  ...UNSTOPPABLE,
]
