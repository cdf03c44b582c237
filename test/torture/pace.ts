import type { Chance } from './chance.ts'
import type { ClientHabits } from './client.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** How long a tab rests before it wants to refresh, given for how long the access token is still good. */
export function pauseOf(chance: Chance, habits: ClientHabits, freshFor: number): number {
  if (habits.sleeps && chance.happens(0.05)) return chance.between(HOUR, 20 * DAY)
  if (habits.pace === 'loads') {
    return chance.happens(0.6) ? chance.between(0, 8 * SECOND) : chance.between(MINUTE, 2 * HOUR)
  }
  // Tabs that share a token find it expired at the same moment.
  return Math.max(0, freshFor) + chance.between(0, chance.happens(0.7) ? 2 * SECOND : 5 * MINUTE)
}

/** How long a client waits before it tries again: inside the grace, well outside it, or days. */
export function retryDelay(chance: Chance, { retries }: ClientHabits): number {
  const kind = retries === 'mixed' ? chance.pick(['seconds', 'minutes', 'days']) : retries
  if (kind === 'seconds') return chance.between(0, 15 * SECOND)
  if (kind === 'minutes') return chance.between(31 * SECOND, 15 * MINUTE)
  return chance.between(HOUR, 3 * DAY)
}
