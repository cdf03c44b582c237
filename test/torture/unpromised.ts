import type { Chance } from './chance.ts'
import type { Family } from './kinds.ts'
import { keyed, keyless, withClient, withTimeout, withZombies } from './kinds.ts'
import { drawFaults, drawThief, robbedClient } from './schedule.ts'

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
    name: 'key, eight to twenty tabs that refresh whenever they load',
    share: 5,
    draw: (chance) => withClient(keyed(chance), { tabs: chance.whole(8, 20), pace: 'loads', attempts: 60 }),
  },
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
