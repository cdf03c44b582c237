import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyInstance, FastifyServerOptions } from 'fastify'
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
      const answered = answerAndClose(error, socket)
      if (answered !== undefined) this.requestLog.unread({ ...answered, method: '', reason: error.code })
    },
  }
}

/** Node has one code for a version it does not know and for a line that does not end where it should: that is a 400. */
function isOtherVersion({ code, message }: ConnectionError): boolean {
  return code === 'HPE_INVALID_VERSION' && message.endsWith('Invalid HTTP version')
}

function answerAndClose(
  error: ConnectionError,
  socket: Socket,
): { readonly requestId: string; readonly status: number } | undefined {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return undefined
  }
  const status = isOtherVersion(error) ? 505 : (STATUS_OF.get(error.code) ?? 400)
  const requestId = randomUUID()
  const { type, body } = problemOf(status, requestId)
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    `X-Request-Id: ${requestId}`,
    ...Object.entries(SECURITY_HEADERS).map(([name, value]) => `${name}: ${value}`),
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  return { requestId, status }
}
