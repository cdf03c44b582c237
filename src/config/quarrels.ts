import type { Fault } from './faults.ts'
import type { KeySettings } from './key-quarrels.ts'
import { keyQuarrels } from './key-quarrels.ts'
import type { DialectMount } from './lists.ts'

/** Settings that have something to do with each other, as far as they are set. */
export interface Quarrelling extends KeySettings {
  readonly port?: number | undefined
  readonly metricsPort?: number | undefined
  readonly accessTtlSeconds?: number | undefined
  readonly refreshTtlSeconds?: number | undefined
  readonly refreshIdleTtlSeconds?: number | undefined
  readonly dialects?: readonly DialectMount[] | undefined
  readonly emailVerification?: 'required' | 'optional' | 'off' | undefined
}

/** Faults of settings that are right alone and wrong together. */
export function quarrels(draft: Quarrelling): Fault[] {
  const faults: Fault[] = []
  const { accessTtlSeconds: access, refreshTtlSeconds: session, refreshIdleTtlSeconds: idle } = draft
  if (idle !== undefined && session !== undefined && idle > session) {
    const problem = 'is longer than REFRESH_TTL, so that it would do nothing'
    faults.push({
      setting: 'REFRESH_IDLE_TTL',
      problem,
      expected: 'REFRESH_TTL or less',
      remedy: 'shorten it',
    })
  }
  const end = Math.min(idle ?? Number.POSITIVE_INFINITY, session ?? Number.POSITIVE_INFINITY)
  if (access !== undefined && access >= end) {
    const problem = 'is not shorter than REFRESH_TTL and REFRESH_IDLE_TTL, so that nothing could be refreshed'
    const expected = 'less than both'
    faults.push({ setting: 'ACCESS_TTL', problem, expected, remedy: 'shorten it, or lengthen them' })
  }
  const { port, metricsPort } = draft
  if (metricsPort !== undefined && metricsPort !== 0 && metricsPort === port) {
    faults.push({
      setting: 'METRICS_PORT',
      problem: 'is PORT too, and a port has one listener',
      expected: 'another port',
      remedy: 'set another, or unset it to have /metrics on PORT',
    })
  }
  const early = (draft.dialects ?? []).filter(({ name }) => ['authtoken', 'signup', 'knox'].includes(name))
  if (draft.emailVerification === 'required' && early.length > 0) {
    const names = early.map(({ name }) => name).join(', ')
    faults.push({
      setting: 'DIALECTS',
      problem: `mounts ${names}: a token is handed out at registration there, and EMAIL_VERIFICATION is required`,
      expected: 'EMAIL_VERIFICATION=optional or off beside them',
      remedy: 'set EMAIL_VERIFICATION=optional, or mount fewer dialects',
    })
  }
  return [...faults, ...keyQuarrels(draft)]
}
