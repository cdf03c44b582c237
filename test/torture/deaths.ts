import type { Doomed, KeyturnReplica } from './keyturn-replica.ts'

/**
 * Tens of thousands of schedules want a process to die at a moment of theirs, and a start takes a second. Each stops
 * there until many others have come to such a moment too; then the process dies in the middle of what all of
 * them have under way.
 */
export interface Deaths {
  begin(): void
  /** Resolves when the replica is back. */
  die(replica: number, sendAll: () => void): Promise<void>
  end(): void
}

/** @param share a round begins when of those who are there so many wait for it, from 0 to 1 */
export function createDeaths(replicas: readonly KeyturnReplica[], share: number): Deaths {
  let there = 0
  let isRunning = false
  let doomed: (Doomed & { readonly replica: number })[] = []
  let defect: unknown

  async function run(): Promise<void> {
    isRunning = true
    const now = doomed
    doomed = []
    try {
      // One after another: a session with two replicas is to find the other one there.
      for (const [index, replica] of replicas.entries()) {
        const its = now.filter((one) => one.replica % replicas.length === index)
        if (its.length > 0) await replica.replace(its)
      }
    } catch (error) {
      defect = error
      for (const { reject } of [...now, ...doomed]) reject(error)
    }
    isRunning = false
    look()
  }

  function look(): void {
    const isWorthIt = doomed.length > 0 && doomed.length >= there * share
    if (isWorthIt && !isRunning && defect === undefined) void run()
  }

  return {
    begin() {
      there += 1
    },
    die: (replica, sendAll) =>
      new Promise((resolve, reject) => {
        if (defect !== undefined) return reject(defect)
        doomed.push({ replica, sendAll, resolve, reject })
        look()
      }),
    end() {
      there -= 1
      look()
    },
  }
}
