import type { Adapter } from './adapter.ts'
import type { Planned } from './plan.ts'
import type { Score } from './score.ts'
import { createScore } from './score.ts'
import { tryServer } from './trial.ts'

export interface ScoreOptions {
  readonly seed: number
  readonly schedules: Iterator<Planned, never>
  /** How many there are to be at the least. */
  readonly refreshes: number
  /** Begins no more schedules once it is aborted. */
  readonly interruption?: AbortSignal
  onTrial?(score: Score): void
}

/** What a schedule comes to on average: how many to begin is settled before, so that it hangs on no clock. */
const REFRESHES_EACH = 13

/** Tries one schedule after another against the server, as many at a time as it bears. */
export async function scoreServer(adapter: Adapter, options: ScoreOptions): Promise<Score> {
  const { seed, schedules, refreshes, interruption, onTrial } = options
  const score = createScore()
  let left = 0
  let defect: Error | undefined
  const mayBegin = () => left > 0 && defect === undefined && interruption?.aborted !== true

  async function work(): Promise<void> {
    while (mayBegin()) {
      left -= 1
      const { family, n } = schedules.next().value
      try {
        score.add(await tryServer(adapter, family, seed, n))
      } catch (error) {
        defect ??= new Error(`the server broke down in schedule ${family}:${n}`, { cause: error })
      }
      onTrial?.(score)
    }
  }

  for (let missing = refreshes; missing > 0; missing = refreshes - score.refreshes) {
    left = Math.ceil(missing / REFRESHES_EACH)
    await Promise.all(Array.from({ length: Math.min(adapter.concurrency, left) }, work))
    if (defect !== undefined) throw defect
    if (interruption?.aborted === true) break
  }
  return score
}
