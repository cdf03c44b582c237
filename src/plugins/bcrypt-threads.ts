import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type work from '../core/bcrypt-worker.js'

type Task = Parameters<typeof work>[0]

/** Worker threads of low priority that hash. */
export interface BcryptThreads {
  run(task: Task): ReturnType<typeof work>
  /** What a task takes on average, without its wait, in milliseconds. 0 before the first one. */
  readonly meanMs: number
  end(): Promise<void>
}

/** More threads than cores bring nothing but delay. */
export const THREADS = availableParallelism()
/** A thread that has said nothing by then has failed to start. */
const LOADED_WITHIN_MS = 1000

/** As many as there are cores, of which the first starts at once. */
export function startBcryptThreads(): BcryptThreads {
  const pool = new Piscina<Task, Awaited<ReturnType<typeof work>>>({
    filename: new URL('../core/bcrypt-worker.js', import.meta.url).href,
    execArgv: [],
    minThreads: 1,
    maxThreads: THREADS,
    idleTimeout: 60_000,
  })
  /** By thread, when it has loaded its module: the first thing that it says. */
  const loading = new Map<Worker, Promise<unknown>>()
  function watchThreads(): void {
    for (const thread of pool.threads) {
      if (!loading.has(thread))
        loading.set(
          thread,
          once(thread, 'message').catch(() => undefined),
        )
    }
  }
  pool.on('workerDestroy', () => {
    for (const thread of loading.keys()) if (!pool.threads.includes(thread)) loading.delete(thread)
  })
  watchThreads()

  return {
    run(task) {
      const ran = pool.run(task)
      watchThreads()
      return ran
    },
    get meanMs() {
      // Piscina times the work itself, without the wait, in milliseconds.
      return pool.histogram.runTime.mean
    },
    async end() {
      // Node.js aborts the whole process where a thread is ended while it loads its first module.
      await Promise.race([Promise.all(loading.values()), pause(LOADED_WITHIN_MS, undefined, { ref: false })])
      await pool.destroy()
    },
  }
}
