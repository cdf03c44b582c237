import { AuthError } from '../core/errors.ts'

/** One statement answers for many: the answers stand in the order of what was asked. */
export type RunBatch<Ask, Answer> = (asks: readonly Ask[]) => Promise<readonly Answer[]>

/** Beyond this many in the queue the service is not keeping up, and waiting longer would only be worse. */
const WAITING_MAX = 4096

/**
 * Group commit inside the process: whatever arrives while one statement is in flight goes out together as the
 * next one. What arrives alone goes at once, so nobody waits for company, and one in flight at a time means that
 * under load every commit is shared. A batch that fails, fails for each who is in it: its outcome is unknown.
 */
export function coalesce<Ask, Answer>(
  run: RunBatch<Ask, Answer>,
  maxBatch: number,
): (ask: Ask) => Promise<Answer> {
  let waiting: { ask: Ask; resolve: (answer: Answer) => void; reject: (error: unknown) => void }[] = []
  let inFlight = false

  async function flush(): Promise<void> {
    inFlight = true
    while (waiting.length > 0) {
      const batch = waiting.slice(0, maxBatch)
      waiting = waiting.slice(maxBatch)
      try {
        const answers = await run(batch.map(({ ask }) => ask))
        // The batch was answered in full, so an index beyond it would be a defect of `run`.
        batch.forEach(({ resolve }, index) => void resolve(answers[index] as Answer))
      } catch (error) {
        for (const { reject } of [...batch, ...waiting.splice(0)]) reject(error)
      }
    }
    inFlight = false
  }

  return (ask) =>
    new Promise((resolve, reject) => {
      if (waiting.length >= WAITING_MAX) return reject(new AuthError('unavailable', { retryAfterSeconds: 1 }))
      waiting.push({ ask, resolve, reject })
      if (!inFlight) void flush()
    })
}
