import type { Socket } from 'node:net'
import { connect } from 'node:net'

/** What the connections of a load say and hear. */
export interface Traffic {
  /** The next request of a connection as it goes over the wire; `undefined` when it has nothing more to ask. */
  next(connection: number): string | undefined
  /** The answer to it: its status, and the whole of it as text. */
  took?(connection: number, status: number, answer: string): void
}

export interface LoadOptions {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  /** All connections together; without it each asks again as soon as it has its answer. */
  readonly perSecond?: number
}

export interface LoadFigures {
  readonly answered: number
  /** Answers other than 200. */
  readonly refused: number
  readonly seconds: number
  readonly perSecond: number
  /** Milliseconds, by share of the answers. */
  readonly p50: number
  readonly p99: number
}

const BUFFER_BYTES = 16 * 1024
const LAST = /\r\nconnection: close\r\n/i

/**
 * An HTTP client as cheap as Node allows, so that it leaves the cores to what is measured: keep-alive connections,
 * one request at a time on each, answers found by their Content-Length. A connection that the server has had enough
 * of, as its answer says, is followed by another.
 */
export async function load(traffic: Traffic, options: LoadOptions): Promise<LoadFigures> {
  const latencies: number[] = []
  let refused = 0
  const start = performance.now()
  const end = start + options.seconds * 1000
  const answered = (status: number, ms: number) => {
    latencies.push(ms)
    if (status !== 200) refused += 1
  }
  await Promise.all(
    Array.from({ length: options.connections }, (_, index) =>
      converse(index, traffic, options, start, end, answered),
    ),
  )
  const seconds = (performance.now() - start) / 1000
  latencies.sort((a, b) => a - b)
  const share = (of: number) => latencies[Math.floor(latencies.length * of)] ?? Number.NaN
  return {
    answered: latencies.length,
    refused,
    seconds,
    perSecond: latencies.length / seconds,
    p50: share(0.5),
    p99: share(0.99),
  }
}

function converse(
  index: number,
  traffic: Traffic,
  { port, connections, perSecond }: LoadOptions,
  start: number,
  end: number,
  answered: (status: number, ms: number) => void,
): Promise<void> {
  const everyMs = perSecond === undefined ? 0 : (connections / perSecond) * 1000
  let due = start + (everyMs * index) / connections
  let asked = 0
  let pending = ''

  return new Promise((resolve, reject) => {
    let done = false
    let isLast = false
    let socket = dial()

    function dial(): Socket {
      isLast = false
      const dialled = connect({
        host: '127.0.0.1',
        port,
        noDelay: true,
        onread: { buffer: Buffer.alloc(BUFFER_BYTES), callback: heard },
      })
      dialled.once('connect', () => ask(performance.now()))
      dialled.once('error', reject)
      dialled.once('close', () => {
        if (done) resolve()
        else if (isLast) socket = dial()
        else reject(new Error('the service closed a connection'))
      })
      return dialled
    }

    function ask(since: number): void {
      const request = performance.now() < end ? traffic.next(index) : undefined
      if (request === undefined) {
        done = true
        socket.destroy()
        return
      }
      asked = since
      socket.write(request, 'latin1')
    }

    function heard(bytes: number, buffer: Uint8Array): boolean {
      pending += Buffer.from(buffer.buffer, buffer.byteOffset, bytes).toString('latin1')
      if (!isWhole(pending)) return true
      const now = performance.now()
      const answer = pending
      const status = Number(answer.slice(9, 12))
      pending = ''
      answered(status, now - asked)
      traffic.took?.(index, status, answer)
      due = Math.max(due + everyMs, start)
      isLast = LAST.test(answer)
      if (isLast) {
        socket.destroy()
        return true
      }
      // A request that had to wait for the answer before it has been waiting since it was due.
      if (due <= now) ask(everyMs === 0 ? now : due)
      else setTimeout(() => ask(performance.now()), due - now)
      return true
    }
  })
}

/** Whether head and body are there; header names come in Node's own spelling. */
function isWhole(answer: string): boolean {
  const head = answer.indexOf('\r\n\r\n')
  if (head === -1) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.slice(0, head))?.[1]
  return answer.length >= head + 4 + Number(length ?? 0)
}
