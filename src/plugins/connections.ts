import type { Socket } from 'node:net'
import fp from 'fastify-plugin'

/**
 * Requests that one connection may bring: a load balancer spreads its load anew, and nobody feeds one for ever. Node's
 * own limit only asks the client to go, and answers whatever more it sends by a bare 503.
 */
const REQUESTS_MAX = 1000

/** How long, once the service is closing, a connection has to come forward with its request. */
const COME_FORWARD_MS = 1000

/**
 * Closes what Node leaves open when the service closes: connections that have never had an answer, as browsers and
 * load balancers open them in advance, and those that stop halfway through a header. Its own limits for them end
 * with the server, and each of them would hold it up until the socket times out.
 */
export const connectionsPlugin = fp(
  async (app) => {
    const withoutRequest = new Set<Socket>()
    app.server.on('connection', (socket) => {
      withoutRequest.add(socket)
      socket.once('close', () => withoutRequest.delete(socket))
    })
    const brought = new WeakMap<Socket, number>()
    // Before the answer, which may be made at once.
    app.server.prependListener('request', ({ socket }, response) => {
      const count = (brought.get(socket) ?? 0) + 1
      brought.set(socket, count)
      if (count >= REQUESTS_MAX) response.shouldKeepAlive = false
    })
    app.server.on('request', ({ socket }, response) => {
      withoutRequest.delete(socket)
      response.once('close', () => socket.destroyed || withoutRequest.add(socket))
    })
    app.addHook('preClose', (done) => {
      setTimeout(() => {
        for (const socket of withoutRequest) socket.destroy()
      }, COME_FORWARD_MS).unref()
      done()
    })
  },
  { name: 'connections' },
)
