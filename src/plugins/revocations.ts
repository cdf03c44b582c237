import fp from 'fastify-plugin'
import type { RevokedSessions } from '../core/ports.ts'
import type { RevokedSince } from '../store/revocations.ts'
import { findRevokedSince } from '../store/revocations.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly revokedSessions: RevokedSessions
  }
}

export interface RevocationsPluginOptions {
  /** The longest life of an access token, seconds: revocations older than that concern no living token. */
  readonly accessTtlSeconds: number
}

const POLL_MS = 1000
/** Revocations commit out of order: each poll looks back this far behind the one before. */
const OVERLAP_MS = 10_000
/** Beyond the life of the token: clocks of application and database differ. */
const SLACK_MS = 60_000

/**
 * The session ids revoked within an access life, in memory: loaded before the service is ready, then polled every
 * second. While the database is away the set stays as it is, and so does the service of those who only verify.
 */
export const revocationsPlugin = fp<RevocationsPluginOptions>(
  async (app, { accessTtlSeconds }) => {
    const keepMs = accessTtlSeconds * 1000 + SLACK_MS
    const revokedAt = new Map<string, number>()
    let lastAnswer: RevokedSince = await findRevokedSince(app.database, Date.now() - keepMs)
    learn(lastAnswer)

    function learn(answer: RevokedSince): void {
      for (const revocation of answer.revoked) revokedAt.set(revocation.sessionId, revocation.revokedAt)
      for (const [sessionId, at] of revokedAt) {
        // Entries stand in the order in which they were learnt, hence nearly by age: the first young one ends it.
        if (at > answer.now - keepMs) break
        revokedAt.delete(sessionId)
      }
    }

    let closed = false
    let timer: NodeJS.Timeout | undefined
    async function poll(): Promise<void> {
      try {
        lastAnswer = await findRevokedSince(app.database, lastAnswer.now - OVERLAP_MS)
        learn(lastAnswer)
      } catch (error) {
        app.log.warn({ err: error }, 'revocations could not be polled')
      }
      if (!closed) timer = setTimeout(poll, POLL_MS).unref()
    }
    timer = setTimeout(poll, POLL_MS).unref()
    app.addHook('onClose', () => {
      closed = true
      clearTimeout(timer)
    })

    app.decorate('revokedSessions', {
      has: (sessionId) => revokedAt.has(sessionId),
      add(sessionIds) {
        for (const sessionId of sessionIds) revokedAt.set(sessionId, lastAnswer.now)
      },
    } satisfies RevokedSessions)
  },
  { name: 'revocations', dependencies: ['database'] },
)
