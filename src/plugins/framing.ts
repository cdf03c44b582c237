import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { problemOf } from './problem.ts'

/** RFC 9112, 3.2, and RFC 3986, 3.2.2: a name, an IPv4 address or an IP literal, with a port or without, or nothing. */
const HOST = /^(?:\[[\da-zA-Z:.~_%-]+\]|(?:[\w\-.~!$&'()*+,;=]|%[\da-fA-F]{2})*)(?::\d*)?$/

/** As many as other servers take; of more than two thousand Node would leave out the last ones without a word. */
const HEADERS_MAX = 100

/**
 * Refuses what two servers in a row could read as different requests: more than one Host or none that is valid (RFC
 * 9112, 3.2), a transfer coding other than chunked (6.1), a version that is not spoken here, more headers than it reads. The connection ends with it.
 */
export const framingPlugin = fp(
  async (app) => {
    const isHost = rememberedHost()
    app.addHook('onRequest', (request, reply, done) => {
      const status = faultOf(request, isHost)
      if (status === 0) return done()
      // A moment later: where Node itself cannot read on, it says so now, and there must not be two answers.
      setImmediate(() => {
        if (request.raw.socket.writable) refuse(status, request, reply)
      })
    })
  },
  { name: 'framing', dependencies: ['connections', 'request-log'] },
)

/** Asks the expression only where the host is not that of the request before: nearly always it is. */
function rememberedHost(): (host: string) => boolean {
  let last = ''
  return (host) => {
    if (host === last) return true
    if (!HOST.test(host)) return false
    last = host
    return true
  }
}

/** The status of a request that Node lets through although it breaks the rules that keep requests apart; else 0. */
function faultOf(
  { raw: { httpVersion, rawHeaders } }: FastifyRequest,
  isHost: (host: string) => boolean,
): number {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 505
  if (rawHeaders.length > 2 * HEADERS_MAX) return 431
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    // By their lengths first: this is on the way of every request.
    if (name.length === 4 && name.toLowerCase() === 'host') {
      hosts += 1
      if (hosts > 1 || !isHost(rawHeaders[at + 1] ?? '')) return 400
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      // One line with one word; HTTP/1.0 has none at all (RFC 9112, 6.1).
      if (httpVersion === '1.0' || rawHeaders[at + 1]?.toLowerCase() !== 'chunked') return 400
      if (rawHeaders.findIndex((each) => each.toLowerCase() === 'transfer-encoding') !== at) return 400
    }
  }
  return hosts === 0 && httpVersion === '1.1' ? 400 : 0
}

function refuse(status: number, request: FastifyRequest, reply: FastifyReply): void {
  const { type, body } = problemOf(status, request.id)
  request.refused = { code: 'bad_request', error: undefined }
  reply
    .code(status)
    .headers({ connection: 'close', 'cache-control': 'no-store', 'content-type': type })
    .send(body)
}
