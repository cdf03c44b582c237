import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyInstance, FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import { problemOf } from './problem.ts'
import type { Refuse } from './refusal.ts'
import { refusal } from './refusal.ts'
import { SECURITY_HEADERS } from './security-headers.ts'

type ClientErrorHandlers = Required<Pick<FastifyServerOptions, 'frameworkErrors' | 'clientErrorHandler'>>

/** Node's own errors, by the status that tells a client what to do; any other is a 400. */
const STATUS_OF: ReadonlyMap<string, number> = new Map([
  ['HPE_HEADER_OVERFLOW', 431],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
])

/**
 * Answers to requests that never become one: a path that cannot be decoded, and bytes that are no HTTP. Constant
 * words in the one shape of a refusal, for Fastify's and Node's own would quote the request.
 */
export function clientErrors(refuse: Refuse): ClientErrorHandlers {
  return {
    frameworkErrors(_error, request, reply) {
      reply.headers({ ...SECURITY_HEADERS, 'x-request-id': request.id })
      const { id, method, server } = request
      server.requestLog.unread({ requestId: id, method, status: 400 })
      return refuse(refusal('bad_request'), request, reply)
    },
    clientErrorHandler(this: FastifyInstance, error, socket) {
      if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
      const status = isOtherVersion(error) ? 505 : (STATUS_OF.get(error.code) ?? 400)
      // Answers have no other mark than their order: this one must not pass for that of a request before.
      this.connections.whenAnswered(socket, (broken) => this.sayLast(socket, status, error.code, broken))
    },
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Refuses what a connection brought last, writes its line, and ends the connection. */
    sayLast(
      socket: Socket,
      status: number,
      reason: string,
      broken: FastifyReply | undefined,
      method?: string,
    ): void
  }
}

/** What Node would answer itself, without an id and without a line in the log: another `Expect`, and CONNECT. */
export const lastWordsPlugin = fp(
  async (app) => {
    app.decorate('sayLast', (socket, status, reason, broken, method = '') => {
      // It has its answer, and that answer its line: whatever was wrong with the rest of its body.
      if (!socket.writable || broken?.raw.headersSent) return void socket.destroySoon()
      const requestId = broken?.request.id ?? randomUUID()
      socket.end(asBytes(status, answerTo(status, requestId)))
      if (broken === undefined) app.requestLog.unread({ requestId, method, status, reason })
      else app.requestLog.broken(broken, status, reason)
    })
    app.server.on('checkExpectation', ({ method = '' }, response) => {
      const requestId = randomUUID()
      const { headers, body } = answerTo(417, requestId)
      response.writeHead(417, headers)
      response.end(method === 'HEAD' ? undefined : body)
      app.requestLog.unread({ requestId, method, status: 417, reason: 'EXPECT' })
    })
    app.server.on('connect', (_request, socket: Socket) => {
      socket.on('error', () => undefined)
      app.connections.whenAnswered(socket, () => {
        app.sayLast(socket, 400, 'CONNECT', undefined, 'CONNECT')
        socket.destroySoon()
      })
    })
  },
  { name: 'last-words', dependencies: ['connections', 'request-log'] },
)

/** Node has one code for a version it does not know and for a line that does not end where it should: that is a 400. */
function isOtherVersion({ code, message }: ConnectionError): boolean {
  return code === 'HPE_INVALID_VERSION' && message.endsWith('Invalid HTTP version')
}

interface UnreadAnswer {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The refusal of what never became a request of Fastify's. */
function answerTo(status: number, requestId: string): UnreadAnswer {
  const { type, body } = problemOf(status, requestId)
  const headers = {
    Connection: 'close',
    'Content-Type': type,
    'Content-Length': String(Buffer.byteLength(body)),
    'Cache-Control': 'no-store',
    'X-Request-Id': requestId,
    ...SECURITY_HEADERS,
  }
  return { headers, body }
}

function asBytes(status: number, { headers, body }: UnreadAnswer): string {
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}
