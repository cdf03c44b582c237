import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import type { Line } from './connection-line.ts'
import { createLine } from './connection-line.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly connections: Connections
  }
}

export interface Connections {
  /** Calls back for each answer whose client hung up before it was written. */
  onAbandoned(tell: (reply: FastifyReply) => void): void
  /** `Line.whenAnswered` of a connection; at once where it has brought nothing. */
  whenAnswered(socket: Socket, then: (broken: FastifyReply | undefined) => void): void
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
    const waiting = { count: 0 }
    let isOver = false
    let tellAbandoned = (_reply: FastifyReply): void => undefined
    app.decorate('connections', {
      onAbandoned(tell) {
        tellAbandoned = tell
      },
      whenAnswered(socket, then) {
        const line = lines.get(socket)
        if (line === undefined) then(undefined)
        else line.whenAnswered(then)
      },
      isLast: (reply) => lines.get(reply.request.raw.socket)?.isLast(reply) ?? true,
    } satisfies Connections)

    app.server.on('connection', (socket) => void open(socket))
    function open(socket: Socket): Line {
      const line = createLine(socket, waiting)
      lines.set(socket, line)
      socket.once('close', () => {
        lines.delete(socket)
        line.end()
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
      if (line.brought >= REQUESTS_MAX - 1) reply.raw.shouldKeepAlive = false
      line.bring(reply, done)
    })
    app.addHook('onResponse', ({ raw: { socket } }, reply, done) => {
      const line = lines.get(socket)
      line?.answered(reply)
      if (isOver && line?.unanswered.size === 0) socket.destroySoon()
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
