import type { FastifyRateLimitStore } from '@fastify/rate-limit'
import type { Windows } from './windows.ts'
import { windowsOf } from './windows.ts'

type Done = (error: Error | null, hit?: { current: number; ttl: number }) => void

/**
 * Where @fastify/rate-limit counts. Its own store forgets whoever came longest ago, so that 5,000 other addresses made
 * it forget a guesser, and reads a clock that nobody can set.
 */
export function storeBy(now: () => number): new () => FastifyRateLimitStore {
  return class WindowStore implements FastifyRateLimitStore {
    #windows: Windows | undefined

    incr(key: string, done: Done, windowMs: number, most: number): void {
      this.#windows ??= windowsOf(most, windowMs, now)
      const { count, endsInMs } = this.#windows.hit(key)
      done(null, { current: count, ttl: endsInMs })
    }

    /** Each limit counts apart. */
    child(): WindowStore {
      return new WindowStore()
    }
  }
}
