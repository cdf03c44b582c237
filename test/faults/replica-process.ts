import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { keepPrinted } from '../helpers/run-log.ts'
import { until } from '../helpers/until.ts'

/** A replica as it runs anywhere: a process of its own, that we know by its port and its signals. */
export interface ReplicaProcess {
  readonly url: string
  readonly process: ChildProcess
  /** Whether it ended without being told to. */
  readonly endedByItself: boolean
  /** What it has printed so far. */
  output(): string
  /** Sends the signal and resolves with the exit status, or the name of the signal that ended it. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string | null>
}

const START_WITHIN_MS = 60_000
/** Enough to read what went wrong, and not all that three minutes of faults have logged. */
const OUTPUT_MAX = 20_000

/** What becomes of its log: somebody reads it, nobody does once it has started, or it is on a disk that is full. */
export type LogReader = 'somebody' | 'nobody' | 'full disk'

/** Starts what `npm run build` has built; resolves when the replica says that it listens. */
export async function startReplica(
  port: number,
  settings: Readonly<Record<string, string>>,
  logReader: LogReader = 'somebody',
): Promise<ReplicaProcess> {
  const fullDisk = logReader === 'full disk' ? openSync('/dev/full', 'w') : undefined
  const child = spawn(process.execPath, ['dist/server.js'], {
    env: { PATH: process.env['PATH'], TMPDIR: tmpdir(), PORT: String(port), ...settings },
    stdio: ['ignore', fullDisk ?? 'pipe', 'pipe'],
  })
  if (fullDisk !== undefined) closeSync(fullDisk)
  const url = `http://127.0.0.1:${port}`
  let printed = ''
  let isTold = false
  keepPrinted(child.stdout)
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text) => {
      printed = (printed + text).slice(-OUTPUT_MAX)
    })
  }
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`a replica does not start: ${printed}`)), START_WITHIN_MS)
    // Not `exit`: its last words come after that.
    child.once('close', () => reject(new Error(`a replica ended: ${printed}`)))
    const begin = () => {
      clearTimeout(timer)
      if (logReader === 'nobody') child.stdout?.pause()
      resolve()
    }
    child.stdout?.on('data', () => {
      if (printed.includes('Keyturn is ready')) begin()
    })
    if (fullDisk !== undefined)
      until('it is ready', () => isReady(url), START_WITHIN_MS / 1000).then(begin, reject)
  }).catch((error) => {
    child.kill('SIGKILL')
    throw error
  })
  return {
    url,
    process: child,
    get endedByItself() {
      return hasEnded() && !isTold
    },
    output: () => printed,
    async end(signal) {
      isTold = true
      if (!hasEnded()) {
        const exit = once(child, 'exit')
        child.kill(signal)
        await exit
      }
      return child.exitCode ?? child.signalCode
    },
  }
}

function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  )
}
