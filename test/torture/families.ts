import type { Chance } from './chance.ts'
import type { ClientHabits } from './client.ts'
import type { Schedule } from './schedule.ts'
import { carefulClient, drawFaults, drawThief, robbedClient } from './schedule.ts'

/** Schedules of one kind. */
export interface Family {
  readonly name: string
  /** Out of all schedules of a run, in thousandths. */
  readonly share: number
  readonly draw: (chance: Chance) => Schedule
}

const SECOND = 1000

const withLoss = (schedule: Schedule, loss: number): Schedule => ({
  ...schedule,
  line: { ...schedule.line, loss },
})
const withClient = (schedule: Schedule, client: Partial<ClientHabits>): Schedule => ({
  ...schedule,
  client: { ...schedule.client, ...client },
})
const withTimeout = (schedule: Schedule, seconds: number): Schedule => ({
  ...schedule,
  line: { ...schedule.line, timeoutMs: seconds * SECOND },
})
const withZombies = (schedule: Schedule): Schedule => ({
  ...schedule,
  line: { ...schedule.line, zombies: 0.03 },
})

/** With the key kept beside the token: any loss, any timeout below the grace. */
function keyed(chance: Chance): Schedule {
  return withTimeout(withLoss(carefulClient(chance, 'shared'), chance.between(0, 0.4)), chance.between(3, 25))
}

/** Without a key: the losses of an ordinary day, deaths between answer and storage among them. */
function keyless(chance: Chance): Schedule {
  return withLoss(carefulClient(chance, 'none'), chance.between(0, 0.04))
}

const lossy = (from: number, to: number) => (chance: Chance) =>
  withLoss(carefulClient(chance, 'none'), chance.between(from, to))

/** Honest clients that do what the README asks for. */
export const KEYED: Family = { name: 'with Idempotency-Key, loss 0 to 40 %', share: 300, draw: keyed }
export const KEYLESS: Family = { name: 'without key, loss 0 to 5 %', share: 240, draw: keyless }

export const LOSSY: readonly Family[] = [
  { name: 'without key, loss 5 to 10 %', share: 25, draw: lossy(0.05, 0.1) },
  { name: 'without key, loss 10 to 20 %', share: 25, draw: lossy(0.1, 0.2) },
  { name: 'without key, loss 20 to 30 %', share: 25, draw: lossy(0.2, 0.3) },
  { name: 'without key, loss 30 to 40 %', share: 25, draw: lossy(0.3, 0.4) },
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
  share: 35,
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
    share: 25,
    draw: (chance) => inStrictMode(robbedClient(chance, chance.pick(MANNERS))),
  },
]

/** Each does one thing that the README asks not to, or meets one thing that nobody can promise against. */
export const UNPROMISED: readonly Family[] = [
  {
    name: 'no key, timeout above half the grace',
    share: 10,
    draw: (chance) => withTimeout(keyless(chance), chance.between(18, 29)),
  },
  {
    name: 'no key, timeout above the grace',
    share: 10,
    draw: (chance) => withTimeout(keyless(chance), chance.between(40, 120)),
  },
  {
    name: 'key, timeout above the grace',
    share: 10,
    draw: (chance) => withTimeout(keyed(chance), chance.between(40, 120)),
  },
  {
    name: 'no key, delivered minutes after the client gave up',
    share: 10,
    draw: (chance) => withZombies(keyless(chance)),
  },
  {
    name: 'key, delivered minutes after the client gave up',
    share: 10,
    draw: (chance) => withZombies(keyed(chance)),
  },
  {
    name: 'no key, stores over whatever is there',
    share: 10,
    draw: (chance) => withClient(keyless(chance), { storing: 'blind' }),
  },
  {
    name: 'key, stores over whatever is there',
    share: 10,
    draw: (chance) => withClient(keyed(chance), { storing: 'blind' }),
  },
  {
    name: 'no key, uses before it stores',
    share: 10,
    draw: (chance) => withClient(keyless(chance), { usesBeforeStoring: true, polls: 1, crashes: 0.04 }),
  },
  {
    name: 'key, uses before it stores',
    share: 10,
    draw: (chance) => withClient(keyed(chance), { usesBeforeStoring: true, polls: 1, crashes: 0.04 }),
  },
  {
    name: 'no key, does not read again before a retry',
    share: 10,
    draw: (chance) => withClient(keyless(chance), { readsBeforeRetry: false }),
  },
  {
    name: 'key, does not read again before a retry',
    share: 10,
    draw: (chance) => withClient(keyed(chance), { readsBeforeRetry: false }),
  },
  {
    name: 'tabs race for the key, the last one stands',
    share: 10,
    draw: (chance) => withClient(keyed(chance), { key: 'racy' }),
  },
  {
    name: 'every tab has a key of its own',
    share: 10,
    draw: (chance) => withClient(keyed(chance), { key: 'own' }),
  },
  { name: 'one key for ever', share: 10, draw: (chance) => withClient(keyed(chance), { key: 'constant' }) },
  {
    name: 'key, an old backup restored',
    share: 10,
    draw: (chance) => ({ ...keyed(chance), faults: backups(chance) }),
  },
  {
    name: 'no key, an old backup restored',
    share: 10,
    draw: (chance) => ({ ...keyless(chance), faults: backups(chance) }),
  },
]

function backups(chance: Chance) {
  return drawFaults(chance, 10).map(
    (fault) => ({ ...fault, kind: 'backup restored', commits: chance.whole(1, 30) }) as const,
  )
}

/** Thieves who have more than one copy: nobody can tell them from the client. */
export const UNSTOPPABLE: readonly Family[] = [
  {
    name: 'thief who copies again and again',
    share: 10,
    draw: (chance) => robbedClient(chance, 'recopying'),
  },
  {
    name: 'thief who can compute the key',
    share: 10,
    draw: (chance) => {
      const robbed = withClient(robbedClient(chance, 'after'), { key: 'derived' })
      return { ...robbed, thief: { ...drawThief(chance, 'after'), key: 'derived' } }
    },
  },
  {
    name: 'thief who knows the one key',
    share: 10,
    draw: (chance) => {
      const robbed = withClient(robbedClient(chance, 'after'), { key: 'constant' })
      return { ...robbed, thief: { ...drawThief(chance, 'after'), key: 'constant' } }
    },
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
