import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import fp from 'fastify-plugin'
import { METRICS_TYPE } from './metrics.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Where metrics are listened for: the port, once the service is ready. */
    readonly metricsListener: { readonly port: number | undefined }
  }
}

export interface MetricsListenerOptions {
  /** HOST. */
  readonly host: string
  /** METRICS_PORT; 0 takes any free one. */
  readonly port: number
}

/** METRICS_PORT cannot be listened on; the message is for the operator. */
export class MetricsPortError extends Error {
  override readonly name = 'MetricsPortError'
}

/** Scrapers ask and go; nobody holds a connection for longer. */
const SOCKET_MS = 10_000

/**
 * Metrics on a port of their own, which no proxy leads to: the public port then has none. It listens from the moment the
 * service is ready until everything else has ended, so that a service that drains can still be watched.
 */
export const metricsListenerPlugin = fp<MetricsListenerOptions>(
  async (app, { host, port }) => {
    const listener: { port: number | undefined } = { port: undefined }
    app.decorate('metricsListener', listener)

    function answer(response: ServerResponse, status: number, text: string, allow = false): void {
      const headers = { 'content-type': METRICS_TYPE, 'cache-control': 'no-store' }
      response.writeHead(status, { ...headers, ...(allow && { allow: 'GET, HEAD' }) })
      response.end(response.req.method === 'HEAD' ? undefined : text)
    }
    const server = createServer(async ({ url, method = '' }, response) => {
      if (url?.split('?')[0] !== '/metrics') return answer(response, 404, 'Metrics are at /metrics.\n')
      if (!['GET', 'HEAD'].includes(method)) return answer(response, 405, 'Use GET or HEAD.\n', true)
      try {
        answer(response, 200, await app.metrics.text())
      } catch (error) {
        app.log.error({ err: error }, 'the metrics could not be written')
        answer(response, 500, 'The log says why.\n')
      }
    })
    server.requestTimeout = SOCKET_MS
    server.headersTimeout = SOCKET_MS
    server.setTimeout(SOCKET_MS)

    // An error of `onListen` would only be logged, and the service would run unwatched.
    app.addHook('onReady', async () => {
      server.listen(port, host)
      try {
        await once(server, 'listening')
      } catch (error) {
        throw new MetricsPortError(explain(error))
      }
      const address = server.address()
      if (typeof address === 'object' && address !== null) listener.port = address.port
      app.log.info({ port: listener.port }, 'metrics are listened for')
    })
    app.addHook('onClose', async () => {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    })
  },
  { name: 'metrics-listener', dependencies: ['metrics'] },
)

function explain(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'no reason given'
  const words: Readonly<Record<string, string>> = {
    EADDRINUSE: 'METRICS_PORT is taken. Set another METRICS_PORT, or stop what uses it.',
    EACCES: 'METRICS_PORT may not be listened on. Set one above 1023.',
    EADDRNOTAVAIL: 'HOST is no address of this machine, so that METRICS_PORT has nowhere to be.',
  }
  return `Keyturn could not start: ${words[code] ?? `METRICS_PORT cannot be listened on (${code}).`}`
}
