/** A clock that is set back by more than this has lost count. */
const SET_BACK_MS = 5000

/** Seconds from `at` to `now`, both in milliseconds; without end where the clock was set back, so that nothing passes for fresh. */
export function secondsSince(at: number, now: number): number {
  if (now < at - SET_BACK_MS) return Number.POSITIVE_INFINITY
  return Math.max(0, (now - at) / 1000)
}
