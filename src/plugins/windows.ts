/** How often something was done within a window that its first time opened. */
export interface Hit {
  /** With this time. */
  readonly count: number
  /** Until the window ends, in milliseconds; more than 0. */
  readonly endsInMs: number
}

export interface Windows {
  hit(key: string): Hit
}

export interface WindowsOptions {
  readonly windowMs: number
  /** What is remembered at the most. */
  readonly keysMax: number
  /** From here on times are not told apart when something must be forgotten. */
  readonly countsMax: number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

interface Open {
  count: number
  readonly endsAt: number
}

/**
 * Counters that live and die with this process, in bounded memory. When it is full, whoever was counted least is
 * forgotten first: an attacker who floods it with new keys pushes out his own, and to be forgotten after n
 * guesses he must have n tries from each of `keysMax` others within one window.
 */
export function createWindows({ windowMs, keysMax, countsMax, now }: WindowsOptions): Windows {
  /** In the order in which they were opened, and so in that of their ends. */
  const open = new Map<string, Open>()
  /** The keys that were counted once, twice and so on, each in the order in which they came to it. */
  const counted = Array.from({ length: countsMax }, () => new Set<string>())
  const level = (count: number) => counted[Math.min(count, countsMax) - 1]

  function forget(key: string, { count }: Open): void {
    open.delete(key)
    level(count)?.delete(key)
  }

  function forgetOver(at: number): void {
    for (const [key, window] of open) {
      if (!isOver(window, at)) return
      forget(key, window)
    }
  }

  function forgetLeast(): void {
    for (const keys of counted) {
      for (const key of keys) {
        open.delete(key)
        keys.delete(key)
        return
      }
    }
  }

  // A clock that was set back must not keep anybody out for longer than a window.
  const isOver = ({ endsAt }: Open, at: number) => endsAt <= at || endsAt - at > windowMs

  return {
    hit(key) {
      const at = now()
      forgetOver(at)
      const known = open.get(key)
      if (known !== undefined && !isOver(known, at)) {
        level(known.count)?.delete(key)
        known.count += 1
        level(known.count)?.add(key)
        return { count: known.count, endsInMs: known.endsAt - at }
      }
      if (known !== undefined) forget(key, known)
      if (open.size >= keysMax) forgetLeast()
      open.set(key, { count: 1, endsAt: at + windowMs })
      level(1)?.add(key)
      return { count: 1, endsInMs: windowMs }
    },
  }
}

/** Keys that one limit remembers; some 10 MB where all of them come within one window. */
const KEYS_MAX = 50_000

/** The counters of a limit of so many times in a window: beyond it nobody is told apart. */
export function windowsOf(most: number, windowMs: number, now: () => number): Windows {
  return createWindows({ windowMs, keysMax: KEYS_MAX, countsMax: most + 1, now })
}
