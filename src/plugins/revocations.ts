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
const OVERLAP_SECONDS = 10
/** Beyond the life of the token: clocks of application and database differ. */
const SLACK_SECONDS = 60

/**
 * The session ids revoked within an access life, in memory: loaded before the service is ready, then polled every
 * second. While the database is away the set stays as it is, and so does the service of those who only verify.
 */
export const revocationsPlugin = fp<RevocationsPluginOptions>(
  async (app, { accessTtlSeconds }) => {
    const keepSeconds = accessTtlSeconds + SLACK_SECONDS
    const revokedAt = new Map<string, number>()
    let lastAnswer: RevokedSince = await findRevokedSince(app.database, undefined, keepSeconds)
    learn(lastAnswer)

    function learn(answer: RevokedSince): void {
      for (const revocation of answer.revoked) revokedAt.set(revocation.sessionId, revocation.revokedAt)
      for (const [sessionId, at] of revokedAt) {
        // Entries stand in the order in which they were learnt, which is nearly that of age: a young one ends it.
        if (at > answer.now - keepSeconds * 1000) break
        revokedAt.delete(sessionId)
      }
    }

    let closed = false
    let timer: NodeJS.Timeout | undefined
    async function poll(): Promise<void> {
      try {
        lastAnswer = await findRevokedSince(app.database, lastAnswer.now, OVERLAP_SECONDS)
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
