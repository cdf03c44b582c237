import type { FastifyRequest } from 'fastify'

/** Requests that wait for something to happen: a long poll. */
export interface WaitingRoom {
  readonly waiting: number
  /** Resolves with the next `wakeAll`, when the time is over or the caller has gone; at once when too many wait, or after `end`. */
  wait(request: FastifyRequest, ms: number): Promise<void>
  wakeAll(): void
  /** Nobody waits from now on. */
  end(): void
}

/** Beyond what it waits for, a socket that says nothing is dead after this. */
const SOCKET_SLACK_MS = 5000

/** @param most each who waits holds a socket and little else */
export function createWaitingRoom(most: number): WaitingRoom {
  const waiting = new Set<() => void>()
  let isOver = false

  function wakeAll(): void {
    for (const wake of waiting) wake()
  }

  return {
    get waiting() {
      return waiting.size
    },
    wakeAll,
    end() {
      isOver = true
      wakeAll()
    },
    wait({ raw: { socket } }, ms) {
      if (isOver || waiting.size >= most) return Promise.resolve()
      // The server's own limit is shorter than a long poll; Node sets it again with the next request.
      socket.setTimeout(ms + SOCKET_SLACK_MS)
      return new Promise((resolve) => {
        const wake = () => {
          clearTimeout(timer)
          waiting.delete(wake)
          socket.off('close', wake)
          resolve()
        }
        const timer = setTimeout(wake, ms)
        waiting.add(wake)
        socket.once('close', wake)
      })
    },
  }
}
