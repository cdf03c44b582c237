import { EVENTS } from '../core/events.ts'
import type { SecurityEvent } from '../core/ports.ts'
import { requestOf } from './caller.ts'
import { createCounter } from './metric-kinds.ts'
import type { Metrics } from './metrics.ts'

/** Counts security events, and puts each on the line of the request that it came of. */
export function createEventWitness(metrics: Metrics): (event: SecurityEvent) => void {
  const events = metrics.add(
    createCounter(
      'keyturn_security_events_total',
      'Security events by kind.',
      Object.keys(EVENTS).map((kind) => ({ kind })),
    ),
  )
  const logins = metrics.add(
    createCounter(
      'keyturn_logins_total',
      'Sign-ins by outcome: ok, or the reason of the refusal.',
      ['ok', 'invalid_credentials', 'rate_limited'].map((outcome) => ({ outcome })),
    ),
  )
  return (event) => {
    events.of({ kind: event.kind }).add()
    if (event.kind === 'login') logins.of({ outcome: 'ok' }).add()
    if (event.kind === 'login_failed') logins.of({ outcome: event.reason ?? 'unknown' }).add()
    const request = requestOf(event.caller)
    if (request === undefined) return
    if (request.securityEvents === null) request.securityEvents = [event]
    else request.securityEvents.push(event)
  }
}
