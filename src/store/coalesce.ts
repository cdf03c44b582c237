import { AuthError } from '../core/errors.ts'
import { asStoreFailure } from './failure.ts'

/** One statement answers for many: the answers stand in the order of what was asked. */
export type RunBatch<Ask, Answer> = (asks: readonly Ask[]) => Promise<readonly Answer[]>

/** Beyond this many in the queue the service is not keeping up, and waiting longer would only be worse. */
const WAITING_MAX = 4096

/**
 * Group commit inside the process: whatever arrives while one statement is in flight goes out together as the
 * next one. What arrives alone goes at once, so nobody waits for company, and one in flight at a time means that
 * under load every commit is shared.
 *
 * When the database is away, a batch fails for each who is in it, its outcome being unknown, and for those behind
 * it, who would only wait for the same end. When a statement is refused for what one of the batch asked, the others
 * do not suffer: each then goes alone.
 * @param onBatch told how many go out together
 * @throws AuthError `unavailable` when too many wait
 */
export function coalesce<Ask, Answer>(
  run: RunBatch<Ask, Answer>,
  maxBatch: number,
  onBatch: (size: number) => void = () => undefined,
): (ask: Ask) => Promise<Answer> {
  const waiting: { ask: Ask; resolve: (answer: Answer) => void; reject: (error: unknown) => void }[] = []
  let inFlight = false

  type Waiting = (typeof waiting)[number]

  /** `behind` are those of a refused batch whose turn to go alone has not come. */
  async function runBatch(batch: readonly Waiting[], behind: Waiting[] = []): Promise<void> {
    try {
      const answers = await run(batch.map(({ ask }) => ask))
      // The batch was answered in full, so an index beyond it would be a defect of `run`.
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index] as Answer)
    } catch (error) {
      const isAway = asStoreFailure(error) instanceof AuthError
      if (!isAway && batch.length > 1) {
        const alone = [...batch]
        while (alone.length > 0) await runBatch(alone.splice(0, 1), alone)
        return
      }
      for (const { reject } of isAway ? [...batch, ...behind.splice(0), ...waiting.splice(0)] : batch)
        reject(error)
    }
  }

  async function flush(): Promise<void> {
    inFlight = true
    while (waiting.length > 0) {
      const batch = waiting.splice(0, maxBatch)
      onBatch(batch.length)
      await runBatch(batch)
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
