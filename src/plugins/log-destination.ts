import { writeSync } from 'node:fs'
import fp from 'fastify-plugin'
import { createGauge } from './metric-kinds.ts'

export interface LogDestination {
  /** Takes lines that end in a line feed; never throws, and never waits for whoever reads them. */
  write(lines: string): void
  /** Lines that were dropped since the start. */
  readonly lost: number
  /** Bytes, nearly, that wait to be taken. */
  readonly waiting: number
  /** Calls back with how many lines were dropped in a row, when lines are taken again. */
  onResumed(tell: (lost: number) => void): void
  /** Waits for the reader, for this long at the most, and keeps the event loop waiting: for the end of a process. */
  flush(withinMs: number): void
}

/** What a stalled reader may leave waiting: some thousand lines, nothing that the memory of the service notices. */
const WAITING_MAX = 2 ** 20
/** The first look after the reader or the disk took nothing comes soon, for it may just be slow. */
const RETRY_MS = { first: 1, last: 250 }
const FLUSH_RETRY_MS = 5

/**
 * The log on a file descriptor, which must not block: lines of one turn of the event loop are one write; what is not
 * taken waits, at most `waitingMax` bytes of it, and is tried again whatever the reason was (a full pipe, a full disk,
 * no reader); what exceeds that is dropped and counted until half of it is free again. A line is written whole or not
 * at all.
 */
export function createLogDestination(fd: number, waitingMax = WAITING_MAX): LogDestination {
  let fresh = ''
  let begun = Buffer.alloc(0)
  let isScheduled = false
  let isFull = false
  let retryMs = RETRY_MS.first
  let lost = 0
  let lostInRow = 0
  let tell = (_lost: number): void => undefined

  const waiting = () => begun.length + fresh.length

  /** Whether all that waits was taken. */
  function tryToWrite(): boolean {
    try {
      while (waiting() > 0) {
        if (begun.length === 0) {
          begun = Buffer.from(fresh)
          fresh = ''
        }
        const taken = writeSync(fd, begun)
        if (taken === 0) break
        begun = begun.subarray(taken)
        retryMs = RETRY_MS.first
      }
    } catch {
      // EAGAIN, ENOSPC, EPIPE, EIO: there is nobody to tell, and each of them may pass.
    }
    if (isFull && waiting() <= waitingMax / 2) {
      isFull = false
      const gap = lostInRow
      lostInRow = 0
      tell(gap)
    }
    return waiting() === 0
  }

  function turn(): void {
    isScheduled = !tryToWrite()
    if (!isScheduled) return
    setTimeout(turn, retryMs).unref()
    retryMs = Math.min(retryMs * 2, RETRY_MS.last)
  }

  return {
    write(lines) {
      if (isFull || waiting() + lines.length > waitingMax) {
        isFull = true
        lost += 1
        lostInRow += 1
      } else {
        fresh += lines
      }
      if (isScheduled) return
      isScheduled = true
      setImmediate(turn)
    },
    get lost() {
      return lost
    },
    get waiting() {
      return waiting()
    },
    onResumed(then) {
      tell = then
    },
    flush(withinMs) {
      const never = new Int32Array(new SharedArrayBuffer(4))
      for (let waitedMs = 0; !tryToWrite() && waitedMs < withinMs; waitedMs += FLUSH_RETRY_MS)
        Atomics.wait(never, 0, 0, FLUSH_RETRY_MS)
    },
  }
}

/** How long the end of the process waits for a reader that is slow. */
const LAST_LINES_WITHIN_MS = 1000

/**
 * Standard output as the destination of the log. Whatever ends the process, a failed start and a defect too, ends with
 * what is still waiting.
 */
export function logToStandardOutput(): LogDestination {
  // Node makes a pipe non-blocking when it first hands out the stream for it, and in no other way.
  const { fd } = process.stdout
  // Nobody writes to these but Node itself; a reader that has gone must not end the service.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  const destination = createLogDestination(fd)
  process.on('exit', () => destination.flush(LAST_LINES_WITHIN_MS))
  return destination
}

export interface LogLossOptions {
  readonly destination: LogDestination
}

/** Makes it known that lines of the log were lost: a counter, and a line once lines are taken again. */
export const logLossPlugin = fp<LogLossOptions>(
  async (app, { destination }) => {
    app.metrics.add(
      createGauge(
        'keyturn_log_lines_lost_total',
        'Lines of the log that were dropped, because standard output took no more.',
        () => destination.lost,
        'counter',
      ),
    )
    app.metrics.add(
      createGauge(
        'keyturn_log_waiting_bytes',
        'Log that standard output has not taken yet.',
        () => destination.waiting,
      ),
    )
    destination.onResumed((lost) => app.log.warn({ lost }, 'lines of the log were lost'))
  },
  { name: 'log-loss', dependencies: ['metrics'] },
)
