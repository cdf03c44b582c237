import type { Chance } from './chance.ts'
import type { ClientHabits } from './client.ts'
import type { LineHabits } from './line.ts'
import type { ModelHabits } from './model.ts'
import type { ThiefHabits } from './thief.ts'

/** A fault, soon after the client has sent its n-th request: in the middle of things. */
export interface Fault {
  readonly kind: 'restart' | 'fail over' | 'backup restored'
  readonly afterRequest: number
  readonly delayMs: number
  readonly commits: number
}

/** Everything that happens to one session, but for the draws made on the way. */
export interface Schedule {
  readonly client: ClientHabits
  readonly line: LineHabits
  readonly thief: ThiefHabits | undefined
  readonly model: ModelHabits
  readonly faults: readonly Fault[]
}

const SECOND = 1000

/** A client that does what the README asks for, and what can happen to it. */
export function carefulClient(chance: Chance, key: ClientHabits['key']): Schedule {
  const attempts = chance.whole(6, 24)
  return {
    client: {
      tabs: chance.happens(0.4) ? 1 : chance.whole(2, 6),
      key,
      storing: 'compare',
      usesBeforeStoring: false,
      readsBeforeRetry: true,
      pace: chance.pick(['expiry', 'loads']),
      polls: chance.pick([0, 0.3, 1]),
      retries: chance.pick(['seconds', 'minutes', 'days', 'mixed']),
      writeMs: chance.pick([0, 200, 2000]),
      crashes: chance.pick([0, 0.01]),
      sleeps: chance.happens(0.3),
      attempts,
      logsOut: chance.happens(0.2),
    },
    line: { loss: 0, timeoutMs: chance.between(3, 12) * SECOND, zombies: 0 },
    thief: undefined,
    model: { replicas: chance.whole(1, 2), rotates: true, replay: 'recover', locked: chance.pick([0, 0.05]) },
    faults: chance.happens(0.5) ? [] : drawFaults(chance, attempts),
  }
}

export function drawFaults(chance: Chance, attempts: number): Fault[] {
  return Array.from({ length: chance.whole(1, 3) }, () => ({
    kind: chance.pick(['restart', 'fail over']),
    afterRequest: chance.whole(1, attempts),
    delayMs: chance.between(0, chance.pick([300, 3000, 20_000])),
    commits: chance.whole(1, 5),
  }))
}

/** A thief of the given manner; what it brings is left to chance. */
export function drawThief(chance: Chance, manner: ThiefHabits['manner']): ThiefHabits {
  return {
    manner,
    copiesAt: { nth: chance.whole(1, 5), moment: chance.pick(['sent', 'stored']) },
    bringsCopiedKey: chance.happens(0.5),
    key: chance.pick(['none', 'fresh']),
    paceMs: chance.pick([5, 60, 840, 1200]) * SECOND,
    polls: chance.pick([0, 0, 0.3, 1]),
    moves: 40,
  }
}

/** A client with a thief at its heels: it stays long enough for the thief to be caught. */
export function robbedClient(chance: Chance, manner: ThiefHabits['manner']): Schedule {
  const careful = carefulClient(chance, chance.pick(['none', 'shared']))
  const attempts = chance.whole(16, 28)
  return {
    ...careful,
    client: {
      ...careful.client,
      tabs: chance.pick([1, 1, 2, 3]),
      pace: chance.pick(['expiry', 'expiry', 'loads']),
      polls: chance.pick([0, 0, 0.3, 1]),
      attempts,
      logsOut: false,
    },
    line: { ...careful.line, loss: chance.pick([0, 0.02, 0.1]) },
    thief: drawThief(chance, manner),
    faults: chance.happens(0.8) ? [] : drawFaults(chance, attempts),
  }
}
