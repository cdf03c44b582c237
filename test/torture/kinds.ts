import type { Chance } from './chance.ts'
import type { ClientHabits } from './client.ts'
import type { Schedule } from './schedule.ts'
import { carefulClient } from './schedule.ts'

/** Schedules of one kind. */
export interface Family {
  readonly name: string
  /** Out of all schedules of a run, in thousandths. */
  readonly share: number
  readonly draw: (chance: Chance) => Schedule
}

const SECOND = 1000

export const withLoss = (schedule: Schedule, loss: number): Schedule => ({
  ...schedule,
  line: { ...schedule.line, loss },
})
export const withClient = (schedule: Schedule, client: Partial<ClientHabits>): Schedule => ({
  ...schedule,
  client: { ...schedule.client, ...client },
})
export const withTimeout = (schedule: Schedule, seconds: number): Schedule => ({
  ...schedule,
  line: { ...schedule.line, timeoutMs: seconds * SECOND },
})
export const withZombies = (schedule: Schedule): Schedule => ({
  ...schedule,
  line: { ...schedule.line, zombies: 0.03 },
})

/** With the key kept beside the token: any loss, any timeout below the grace. */
export function keyed(chance: Chance): Schedule {
  return withTimeout(withLoss(carefulClient(chance, 'shared'), chance.between(0, 0.4)), chance.between(3, 25))
}

/** Without a key: the losses of an ordinary day, deaths between answer and storage among them. */
export function keyless(chance: Chance): Schedule {
  return withLoss(carefulClient(chance, 'none'), chance.between(0, 0.04))
}
