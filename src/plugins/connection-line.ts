import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'

/**
 * Requests of one connection that are worked on at once. Node hands over whatever came in one piece, some 1,400
 * requests of a single packet: their answers would all lie in memory, each with its open file, for a client that
 * reads none of them.
 */
const AT_ONCE = 4

/** Requests of one connection that may wait: beyond it nothing more is read from it until half of them have begun. */
const WAITING_MAX = 100

/**
 * Requests of all connections that may wait; who brings more than WAITING_MAX of them is hung up on. What came in one
 * piece cannot be left unread, each request of it takes some kilobytes, and a hundred connections would fill the memory.
 */
const WAITING_OF_ALL_MAX = 10_000

/** What one connection has brought and not got yet: requests wait their turn, and are begun in the order they came in. */
export interface Line {
  /** Requests since it was opened. */
  readonly brought: number
  /** Those that have no answer yet, whether they are worked on or wait. */
  readonly unanswered: ReadonlySet<FastifyReply>
  bring(reply: FastifyReply, begin: () => void): void
  answered(reply: FastifyReply): void
  /** Whether no other request is behind it. */
  isLast(reply: FastifyReply): boolean
  /**
   * For a connection that cannot be read any further: calls back once every request that came whole has its answer, with
   * the reply to the one whose body broke off, where there is one. Of several calls the first counts.
   */
  whenAnswered(then: (broken: FastifyReply | undefined) => void): void
  /** The connection is closed; nobody waits any more. */
  end(): void
}

/** How many wait on all connections of a server. */
export interface Waiting {
  count: number
}

export function createLine(socket: Socket, ofAll: Waiting): Line {
  const unanswered = new Set<FastifyReply>()
  const waiting: (() => void)[] = []
  let brought = 0
  let working = 0
  let isPaused = false
  /** Of the request that came last, until it is both whole and answered. */
  let last: FastifyReply | undefined
  let lookAtLast: (() => void) | undefined

  // Node reads on after each answer.
  socket.on('resume', () => {
    if (isPaused) socket.pause()
  })

  function wait(begin: () => void): void {
    // What was read before it was hung up on still comes.
    if (socket.destroyed) return
    waiting.push(begin)
    ofAll.count += 1
    if (waiting.length < WAITING_MAX) return
    if (ofAll.count > WAITING_OF_ALL_MAX) socket.destroy()
    else if (!isPaused) {
      isPaused = true
      socket.pause()
    }
  }

  function beginNext(): void {
    const begin = waiting.shift()
    if (begin === undefined) working -= 1
    else {
      ofAll.count -= 1
      begin()
    }
    if (isPaused && waiting.length <= WAITING_MAX / 2) {
      isPaused = false
      socket.resume()
    }
  }

  return {
    get brought() {
      return brought
    },
    unanswered,
    bring(reply, begin) {
      brought += 1
      unanswered.add(reply)
      last = reply
      if (working < AT_ONCE) {
        working += 1
        begin()
      } else {
        wait(begin)
      }
    },
    answered(reply) {
      if (!unanswered.delete(reply)) return
      beginNext()
      if (last === reply && reply.request.raw.complete) last = undefined
      lookAtLast?.()
    },
    isLast: (reply) => waiting.length === 0 && [...unanswered].at(-1) === reply,
    whenAnswered(then) {
      // Node tells of each piece of what it cannot read.
      if (lookAtLast !== undefined) return
      const broken = last?.request.raw.complete === false ? last : undefined
      lookAtLast = () => {
        for (const reply of unanswered) if (reply !== broken) return
        lookAtLast = () => undefined
        then(broken)
      }
      lookAtLast()
    },
    end() {
      ofAll.count -= waiting.length
    },
  }
}
