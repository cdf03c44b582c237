import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import { refuseFaultyFraming } from './framing.ts'

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
 * Requests of one connection that are worked on at once. Node hands over whatever came in one piece, some 1,400 requests of
 * a single packet: their answers would all lie in memory, each with its open file, for a client that reads none of them.
 */
const AT_ONCE = 4

/** What one connection has brought and not got yet, in the order in which it came. */
interface Line {
  /** Requests since it was opened. */
  brought: number
  readonly unanswered: Set<ServerResponse>
  readonly begun: Set<ServerResponse>
  readonly waiting: (() => void)[]
}

export interface ConnectionsPluginOptions {
  readonly takenWithinMs?: number
}

/**
 * Ends what Node leaves open. When the service closes: connections that have never had an answer, as browsers and
 * load balancers open them in advance, and those that stop halfway through a header; Node's own limits for them end
 * with the server, and each of them would hold it up until the socket times out. At any time: who has brought many
 * requests, also at once, and who does not take his answer, for whom Node has no limit as long as he takes a byte now and then.
 */
export const connectionsPlugin = fp<ConnectionsPluginOptions>(
  async (app, { takenWithinMs = TAKEN_WITHIN_MS }) => {
    const withoutRequest = new Set<Socket>()
    const open = new Set<Socket>()
    app.server.on('connection', (socket) => {
      open.add(socket)
      withoutRequest.add(socket)
      socket.once('close', () => {
        open.delete(socket)
        withoutRequest.delete(socket)
      })
    })
    const lines = new WeakMap<Socket, Line>()
    function lineOf(socket: Socket): Line {
      const known = lines.get(socket)
      if (known !== undefined) return known
      const line: Line = { brought: 0, unanswered: new Set(), begun: new Set(), waiting: [] }
      // Node tells only the answer that is being written: the others would keep what they have opened.
      socket.once('close', () => {
        line.waiting.length = 0
        for (const response of line.unanswered) response.destroy().emit('close')
      })
      lines.set(socket, line)
      return line
    }
    // Before the answer, which may be made at once.
    app.server.prependListener('request', ({ socket }, response) => {
      const line = lineOf(socket)
      line.brought += 1
      if (line.brought >= REQUESTS_MAX) response.shouldKeepAlive = false
      withoutRequest.delete(socket)
      line.unanswered.add(response)
      response.on('close', () => {
        line.unanswered.delete(response)
        if (line.begun.delete(response)) line.waiting.shift()?.()
        if (!socket.destroyed) withoutRequest.add(socket)
      })
    })
    app.addHook('onRequest', refuseFaultyFraming)
    app.addHook('onRequest', ({ raw: { socket } }, { raw: response }, done) => {
      const { begun, waiting } = lineOf(socket)
      if (begun.size < AT_ONCE) {
        begun.add(response)
        done()
      } else {
        waiting.push(() => {
          begun.add(response)
          done()
        })
      }
    })

    const stuckAt = new WeakMap<Socket, number>()
    const look = setInterval(() => {
      for (const socket of open) {
        const taken = socket.bytesWritten - socket.writableLength
        if (socket.writableLength === 0) stuckAt.delete(socket)
        else if (stuckAt.get(socket) === taken) socket.destroy()
        else stuckAt.set(socket, taken)
      }
    }, takenWithinMs).unref()

    app.addHook('preClose', (done) => {
      clearInterval(look)
      setTimeout(() => {
        for (const socket of withoutRequest) socket.destroy()
      }, COME_FORWARD_MS).unref()
      done()
    })
  },
  // After the log of requests, so that whoever has to wait his turn and leaves has his line too.
  { name: 'connections' },
)
