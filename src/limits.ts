import type { Server } from 'node:http'
import type { FastifyBaseLogger, FastifyHttpOptions } from 'fastify'

/**
 * How long and how much a client may send. Node's own defaults would let a request drip in for minutes, Fastify's
 * would turn numbers into strings, drop unknown fields and answer 503 to keep-alive clients of a draining service.
 */
export const limits = {
  bodyLimit: 16 * 1024,
  requestTimeout: 9000,
  connectionTimeout: 15_000,
  keepAliveTimeout: 75_000,
  http: {
    // Asked for by framing.ts, which answers in the one shape of a refusal.
    requireHostHeader: false,
    headersTimeout: 5000,
    // Looked at once a second: whoever drips is cut off within ten.
    requestTimeout: 9000,
    connectionsCheckingInterval: 1000,
    maxHeaderSize: 8192,
  },
  ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: true, allErrors: true } },
  routerOptions: { ignoreTrailingSlash: true, maxParamLength: 100 },
  exposeHeadRoutes: false,
  return503OnClosing: false,
  forceCloseConnections: 'idle',
} as const satisfies FastifyHttpOptions<Server, FastifyBaseLogger>
