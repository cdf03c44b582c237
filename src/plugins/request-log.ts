import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { SecurityEvent } from '../core/ports.ts'
import type { GuardName } from './guards.ts'
import { createCounter } from './metric-kinds.ts'
import type { Refused } from './refusal.ts'
import { createRequestMetrics, NO_ROUTE } from './request-metrics.ts'
import { readForeignId, readTraceContext } from './trace-context.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly requestLog: RequestLog
  }
  interface FastifyRequest {
    /** What was thrown and refused, for the line of the log. */
    refused: Refused | null
    isLogged: boolean
    /** The security events that came of it. */
    securityEvents: SecurityEvent[] | null
  }
}

export interface RequestLog {
  /** What could not be read as a request has its line too, under the id that its answer named. */
  unread(request: {
    readonly requestId: string
    readonly method: string
    readonly status: number
    readonly reason?: string
  }): void
  /** What broke off in its body was answered so, past its own reply. */
  broken(reply: FastifyReply, status: number, reason: string): void
}

/** Of nginx, for a client that hung up: there is no status that says so. */
const CLIENT_CLOSED = 499
const GUARDS_THAT_COUNT = ['login', 'token', 'register', 'letter', 'link', 'refresh'] satisfies GuardName[]
const LEVELS_OF_LINES = new Set(['info', 'debug', 'trace'])

/**
 * Exactly one line per request that tells who operates what happened, and nothing that a request brought but ids that
 * can be taken for nothing else: the pattern of the route, never the path, which may hold a token. A defect stands
 * on the line of its request. The same end is counted for the metrics.
 */
export const requestLogPlugin = fp(
  async (app) => {
    const count = createRequestMetrics(app.metrics)
    // A line that no level lets through would still cost a look at every answer.
    const writesAll = LEVELS_OF_LINES.has(app.log.level)
    const refusals = app.metrics.add(
      createCounter('keyturn_refusals_total', 'Requests that were refused, by code, as the answer has it.'),
    )
    const guards = app.metrics.add(
      createCounter(
        'keyturn_guard_refusals_total',
        'Requests that came too often and were refused, by guard.',
        GUARDS_THAT_COUNT.map((guard) => ({ guard })),
      ),
    )
    app.decorateRequest('refused', null)
    app.decorateRequest('isLogged', false)
    app.decorateRequest('securityEvents', null)

    app.connections.onAbandoned((reply) => end(reply.request, reply, CLIENT_CLOSED))
    app.addHook('onResponse', (request, reply, done) => {
      end(request, reply, reply.statusCode)
      done()
    })
    app.addHook('onRequest', (request, reply, done) => {
      reply.header('x-request-id', request.id)
      done()
    })
    function end(request: FastifyRequest, reply: FastifyReply, status: number, reason?: string): void {
      if (request.isLogged) return
      request.isLogged = true
      const { method } = request
      const route = request.routeOptions.url
      const aborted = status === CLIENT_CLOSED
      const ms = reply.elapsedTime
      count({ method, route, status, aborted, ms })
      if (request.refused !== null) {
        refusals.of({ code: request.refused.code }).add()
        const { guard = 'open' } = request.routeOptions.config
        if (request.refused.code === 'rate_limited') guards.of({ guard }).add()
      } else if (!writesAll) return
      const line = {
        request_id: request.id,
        method,
        route: route ?? NO_ROUTE,
        status,
        ms: Math.round(ms * 10) / 10,
        ...whoAndWhy(request),
        ...(aborted && { aborted }),
        ...(reason !== undefined && { reason }),
      }
      const { code, error } = request.refused ?? {}
      if (code === 'internal_error') app.log.error({ ...line, err: error }, 'a defect')
      else if (code === 'unavailable') app.log.warn({ ...line, err: error }, 'unavailable')
      else app.log.info(line)
    }
    app.decorate('requestLog', {
      unread({ requestId, method, status, reason }) {
        count({ method, route: undefined, status, aborted: false, ms: 0 })
        refusals.of({ code: 'bad_request' }).add()
        app.log.info({
          request_id: requestId,
          method,
          route: NO_ROUTE,
          status,
          ms: 0,
          code: 'bad_request',
          ...(reason !== undefined && { reason }),
        })
      },
      broken(reply, status, reason) {
        reply.request.refused = { code: 'bad_request', error: undefined }
        end(reply.request, reply, status, reason)
      },
    } satisfies RequestLog)
  },
  { name: 'request-log', dependencies: ['connections', 'metrics'] },
)

function whoAndWhy(request: FastifyRequest) {
  const { accessClaims, refused, securityEvents, headers } = request
  const events = securityEvents ?? []
  const userId = accessClaims?.user_id ?? events.find((event) => event.userId !== undefined)?.userId
  const sessionId = accessClaims?.sid ?? events.find((event) => event.sessionId !== undefined)?.sessionId
  const reason = events.find((event) => event.reason !== undefined)?.reason
  const trace = readTraceContext(headers['traceparent'])
  const foreignId = readForeignId(headers['x-request-id'])
  return {
    ...(userId !== undefined && { user_id: userId }),
    ...(sessionId !== undefined && { session_id: sessionId }),
    ...(refused !== null && { code: refused.code }),
    ...(events.length > 0 && { events: events.map(({ kind }) => kind) }),
    ...(reason !== undefined && { reason }),
    ...(trace !== undefined && { trace_id: trace.traceId, parent_id: trace.parentId }),
    ...(foreignId !== undefined && { client_request_id: foreignId }),
  }
}
