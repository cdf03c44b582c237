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
  /**
   * For a connection that cannot be read any further: calls back once every request that came whole has its answer, with
   * the reply to the one whose body broke off, where there is one.
   */
  whenAnswered(socket: Socket, then: (broken: FastifyReply | undefined) => void): void
}

/**
 * Requests that one connection may bring: a load balancer spreads its load anew, and nobody feeds one for ever. Node's
 * own limit only asks the client to go, and answers whatever more it sends by a bare 503.
 */
const REQUESTS_MAX = 1000

/** How long, once the service is closing, a connection has to come forward with its request. */
const COME_FORWARD_MS = 1000

/** How long an answer may lie there without its reader taking any more of it; the largest of one piece has 200 KB. */
const TAKEN_WITHIN_MS = 60_000

/**
 * Requests of one connection that are worked on at once. Node hands over whatever came in one piece, some 1,400
 * requests of a single packet: their answers would all lie in memory, each with its open file, for a client that
 * reads none of them.
 */
const AT_ONCE = 4

/** What one connection has brought and not got yet. */
interface Line {
  /** Requests since it was opened. */
  brought: number
  /** Those that are worked on. */
  working: number
  readonly unanswered: Set<FastifyReply>
  /** Begin the requests that wait their turn, in the order in which they came. */
  readonly waiting: (() => void)[]
  /** Of the request that came last, until it is both whole and answered. */
  last: FastifyReply | undefined
  /** Looks whether it may say the last word of the connection. */
  atLast: (() => void) | undefined
}

export interface ConnectionsPluginOptions {
  readonly takenWithinMs?: number
}

/**
 * Ends what Node leaves open. When the service closes: connections that have never had an answer, as browsers and
 * load balancers open them in advance, and those that stop halfway through a header; Node's own limits for them end
 * with the server, and each of them would hold it up until the socket times out. At any time: who has brought many
 * requests, also at once, and who does not take his answer, for whom Node has no limit as long as he takes a byte now
 * and then. One listener for each connection and none for each answer, of which a status check would feel every one.
 */
export const connectionsPlugin = fp<ConnectionsPluginOptions>(
  async (app, { takenWithinMs = TAKEN_WITHIN_MS }) => {
    const lines = new Map<Socket, Line>()
    let tellAbandoned = (_reply: FastifyReply): void => undefined
    app.decorate('connections', {
      onAbandoned(tell) {
        tellAbandoned = tell
      },
      whenAnswered(socket, then) {
        const line = lines.get(socket)
        // Node tells of each piece of what it cannot read.
        if (line?.atLast !== undefined) return
        const broken = line?.last?.request.raw.complete === false ? line.last : undefined
        if (line === undefined) return then(undefined)
        line.atLast = () => {
          for (const reply of line.unanswered) if (reply !== broken) return
          line.atLast = () => undefined
          then(broken)
        }
        line.atLast()
      },
    } satisfies Connections)

    app.server.on('connection', (socket) => void open(socket))
    function open(socket: Socket): Line {
      const line: Line = {
        brought: 0,
        working: 0,
        unanswered: new Set(),
        waiting: [],
        last: undefined,
        atLast: undefined,
      }
      lines.set(socket, line)
      socket.once('close', () => {
        lines.delete(socket)
        for (const reply of line.unanswered) abandon(reply)
      })
      return line
    }
    function abandon(reply: FastifyReply): void {
      // Node tells only the answer that is being written: the others would keep what they have opened.
      if (!reply.raw.closed) reply.raw.destroy().emit('close')
      tellAbandoned(reply)
    }

    app.addHook('onRequest', ({ raw: { socket } }, reply, done) => {
      const line = lines.get(socket) ?? open(socket)
      line.brought += 1
      if (line.brought >= REQUESTS_MAX) reply.raw.shouldKeepAlive = false
      line.unanswered.add(reply)
      line.last = reply
      if (line.working < AT_ONCE) {
        line.working += 1
        done()
      } else {
        line.waiting.push(done)
      }
    })
    app.addHook('onResponse', ({ raw: { socket } }, reply, done) => {
      const line = lines.get(socket)
      if (line?.unanswered.delete(reply)) {
        const next = line.waiting.shift()
        if (next === undefined) line.working -= 1
        else next()
        if (line.last === reply && reply.request.raw.complete) line.last = undefined
        line.atLast?.()
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
        for (const [socket, { unanswered }] of lines) if (unanswered.size === 0) socket.destroy()
      }, COME_FORWARD_MS).unref()
      done()
    })
  },
  { name: 'connections' },
)
