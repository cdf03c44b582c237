import type { Chance } from './chance.ts'
import type { Client } from './client.ts'
import { CONSTANT_KEY, derivedKey } from './client.ts'
import type { Line } from './line.ts'
import type { Answer } from './server.ts'
import type { World } from './world.ts'

export interface ThiefHabits {
  /**
   * eager: at once, then at a pace of its own · lazy: the same after hours or days · before: outside the grace
   * before the client's next refresh · after: outside the grace after it · grace: inside the grace after it ·
   * woven: one of the last three, as chance has it · recopying: as `after`, with a new copy each time.
   */
  readonly manner: 'eager' | 'lazy' | 'before' | 'after' | 'grace' | 'woven' | 'recopying'
  /** Copies at this refresh of the client: when it is sent, with the key in the storage, or when it is stored. */
  readonly copiesAt: { readonly nth: number; readonly moment: 'sent' | 'stored' }
  /** Whether it brings the Idempotency-Key it found beside the token. */
  readonly bringsCopiedKey: boolean
  /** What it brings otherwise. */
  readonly key: 'none' | 'fresh' | 'derived' | 'constant'
  /** Between two of its refreshes, where it keeps a pace of its own. */
  readonly paceMs: number
  readonly polls: number
  readonly moves: number
}

const SECOND = 1000
const HOUR = 3600 * SECOND
const DAY = 24 * HOUR

/** Copies the storage once, sees when the client refreshes and when it will, and makes what it can of that. */
export function createThief(
  world: World,
  line: Line,
  chance: Chance,
  habits: ThiefHabits,
  client: Client,
): void {
  let held: { refresh: string; key: string | undefined } | undefined
  let occasions = 0
  let moves = 0
  let isOut = false
  let isWaiting = false

  function copy(): void {
    if (client.storage === undefined) return
    const { refresh, key } = client.storage
    held = { refresh, key: habits.bringsCopiedKey ? key : undefined }
    world.note(() => `the thief copies ${refresh.slice(-6)} ${held?.key ?? ''}`)
  }

  function occasion(): void {
    occasions += 1
    if (occasions !== habits.copiesAt.nth) return
    copy()
    if (habits.manner === 'eager') plan(chance.between(0, 5 * SECOND))
    else if (habits.manner === 'lazy') plan(chance.between(HOUR, 3 * DAY))
    else if (habits.copiesAt.moment === 'stored') follow()
  }

  /** The client has stored a new token: time for the next move of those who go by it. */
  function follow(): void {
    if (held === undefined) return
    const manner = habits.manner === 'woven' ? chance.pick(['before', 'after', 'grace']) : habits.manner
    if (manner === 'after' || manner === 'recopying') plan(chance.between(31 * SECOND, 600 * SECOND))
    if (manner === 'grace') plan(chance.between(0, 25 * SECOND))
    if (manner === 'before' && client.nextWake < Infinity) {
      plan(Math.max(0, client.nextWake - world.now - chance.between(31 * SECOND, 300 * SECOND)))
    }
  }

  function plan(delay: number): void {
    world.after(delay, move)
  }

  function move(): void {
    if (habits.manner === 'recopying') copy()
    if (isOut || isWaiting || held === undefined || moves >= habits.moves) return
    moves += 1
    isWaiting = true
    const { refresh, key } = held
    line.refresh(refresh, key ?? keyFor(refresh), receive)
  }

  function keyFor(refresh: string): string | undefined {
    if (habits.key === 'derived') return derivedKey(refresh)
    if (habits.key === 'constant') return CONSTANT_KEY
    return habits.key === 'fresh' ? `a-thiefs-own-key-${moves}` : undefined
  }

  function receive(answer: Answer): void {
    isWaiting = false
    if (answer.kind === 'refused') isOut = true
    else if (answer.kind === 'failed') plan(SECOND)
    else {
      held = { refresh: answer.refresh, key: undefined }
      if (chance.happens(habits.polls)) line.checkStatus(answer.access)
      if (habits.manner === 'eager' || habits.manner === 'lazy')
        plan(habits.paceMs * chance.between(0.8, 1.2))
    }
  }

  if (habits.copiesAt.moment === 'sent') client.onSent(occasion)
  client.onStored(follow)
  if (habits.copiesAt.moment === 'stored') client.onStored(occasion)
}
