import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    readonly connections: Connections
  }
}

export interface Connections {
  /** Calls back for each answer whose client hung up before it was written. */
  onAbandoned(tell: (reply: FastifyReply) => void): void
  /** Whether no other request of its connection is behind it, whose answer would be lost if this one were the last. */
  isLast(reply: FastifyReply): boolean
}

/**
 * Requests that one connection may bring: a load balancer spreads its load anew, and nobody feeds one for ever. Node's
 * own limit only asks the client to go, and answers whatever more it sends by a bare 503.
 */
const REQUESTS_MAX = 1000

/** How long, once the service is closing, a connection has to come forward with its request. */
const COME_FORWARD_MS = 1000

/** And how long the rest of a request whose head has come: Node's own limit for that ends with the server too. */
const BODY_WITHIN_MS = 5000

/** How long an answer may lie there without its reader taking any more of it; the largest of one piece has 200 KB. */
const TAKEN_WITHIN_MS = 60_000

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

/** What one connection has brought and not got yet. */
interface Line {
  /** Requests since it was opened. */
  brought: number
  /** Those that are worked on. */
  working: number
  readonly unanswered: Set<FastifyReply>
  /** Whether nothing is read from it for now. */
  isPaused: boolean
  /** Begin the requests that wait their turn, in the order in which they came. */
  readonly waiting: (() => void)[]
}

export interface ConnectionsPluginOptions {
  readonly takenWithinMs?: number
  readonly bodyWithinMs?: number
}

/**
 * Ends what Node leaves open. When the service closes: connections that have never had an answer, as browsers and
 * load balancers open them in advance, and those that stop halfway through a header; Node's own limits for them end
 * with the server, and each of them would hold it up until the socket times out. At any time: who has brought many
 * requests, also at once, and who does not take his answer, for whom Node has no limit as long as he takes a byte now
 * and then. One listener for each connection and none for each answer, of which a status check would feel every one.
 */
export const connectionsPlugin = fp<ConnectionsPluginOptions>(
  async (app, { takenWithinMs = TAKEN_WITHIN_MS, bodyWithinMs = BODY_WITHIN_MS }) => {
    const lines = new Map<Socket, Line>()
    let waitingOfAll = 0
    let isOver = false
    let tellAbandoned = (_reply: FastifyReply): void => undefined
    app.decorate('connections', {
      onAbandoned(tell) {
        tellAbandoned = tell
      },
      isLast(reply) {
        const line = lines.get(reply.request.raw.socket)
        return line === undefined || (line.waiting.length === 0 && [...line.unanswered].at(-1) === reply)
      },
    } satisfies Connections)

    app.server.on('connection', (socket) => void open(socket))
    function open(socket: Socket): Line {
      const line: Line = { brought: 0, working: 0, unanswered: new Set(), isPaused: false, waiting: [] }
      lines.set(socket, line)
      // Node reads on after each answer.
      socket.on('resume', () => {
        if (line.isPaused) socket.pause()
      })
      socket.once('close', () => {
        lines.delete(socket)
        waitingOfAll -= line.waiting.length
        for (const reply of line.unanswered) abandon(reply)
      })
      return line
    }
    function abandon(reply: FastifyReply): void {
      // Node tells only the answer that is being written: the others would keep what they have opened.
      if (!reply.raw.closed) reply.raw.destroy().emit('close')
      tellAbandoned(reply)
    }

    function wait(socket: Socket, line: Line, begin: () => void): void {
      // What was read before it was hung up on still comes.
      if (socket.destroyed) return
      line.waiting.push(begin)
      waitingOfAll += 1
      if (line.waiting.length < WAITING_MAX) return
      if (waitingOfAll > WAITING_OF_ALL_MAX) socket.destroy()
      else if (!line.isPaused) {
        line.isPaused = true
        socket.pause()
      }
    }
    function beginNext(socket: Socket, line: Line): void {
      const begin = line.waiting.shift()
      if (begin === undefined) line.working -= 1
      else {
        waitingOfAll -= 1
        begin()
      }
      if (line.isPaused && line.waiting.length <= WAITING_MAX / 2) {
        line.isPaused = false
        socket.resume()
      }
    }

    app.addHook('onRequest', ({ raw: { socket } }, reply, done) => {
      const line = lines.get(socket) ?? open(socket)
      line.brought += 1
      if (line.brought >= REQUESTS_MAX) reply.raw.shouldKeepAlive = false
      line.unanswered.add(reply)
      if (line.working < AT_ONCE) {
        line.working += 1
        done()
      } else {
        wait(socket, line, done)
      }
    })
    app.addHook('onResponse', ({ raw: { socket } }, reply, done) => {
      const line = lines.get(socket)
      if (line?.unanswered.delete(reply)) {
        beginNext(socket, line)
        if (isOver && line.unanswered.size === 0) socket.destroySoon()
      }
      done()
    })

    const stuckAt = new WeakMap<Socket, number>()
    const look = setInterval(() => {
      for (const socket of lines.keys()) {
        const taken = socket.bytesWritten - socket.writableLength
        if (socket.writableLength === 0) stuckAt.delete(socket)
        else if (stuckAt.get(socket) === taken) socket.destroy()
        else stuckAt.set(socket, taken)
      }
    }, takenWithinMs).unref()

    app.addHook('preClose', (done) => {
      clearInterval(look)
      setTimeout(() => {
        isOver = true
        for (const [socket, { unanswered }] of lines) if (unanswered.size === 0) socket.destroy()
      }, COME_FORWARD_MS).unref()
      setTimeout(() => {
        for (const [socket, { unanswered }] of lines)
          for (const { request } of unanswered) if (!request.raw.complete) socket.destroy()
      }, bodyWithinMs).unref()
      done()
    })
  },
  { name: 'connections' },
)
