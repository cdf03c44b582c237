import { randomBytes } from 'node:crypto'
import fp from 'fastify-plugin'
import type { RevokedSessions } from '../core/ports.ts'
import type { Knowledge } from '../core/revocation-cursor.ts'
import { COMMIT_WITHIN_SECONDS, LATE_WITHIN_SECONDS, LIFE_BYTES } from '../core/revocation-cursor.ts'
import type { RevocationLog } from '../core/revocation-log.ts'
import { createRevocationLog } from '../core/revocation-log.ts'
import { createBell } from '../mail/bell.ts'
import { openNotices } from '../store/notices.ts'
import { findRevokedSince } from '../store/revocations.ts'
import { watchTimeline } from '../store/timeline.ts'
import { createGauge } from './metric-kinds.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly revokedSessions: RevokedSessions
    readonly revocations: Revocations
  }
}

/** What this replica knows of revocations, for those who follow them. */
export interface Revocations {
  readonly log: Pick<RevocationLog, 'size' | 'after'>
  /** Beyond the life of an access token a revocation is held for so long, for clocks differ: seconds. */
  readonly slackSeconds: number
  known(): Knowledge
  /** Calls `learnt` after each moment in which something new was learnt; the answer takes it off again. */
  onLearnt(learnt: () => void): () => void
}

export interface RevocationsPluginOptions {
  /** The longest life of an access token, seconds: revocations older than that concern no living token. */
  readonly accessTtlSeconds: number
  /** Of the database, for the connection that listens. */
  readonly databaseUrl: string
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** From 0 up to 1. */
  readonly random: () => number
  readonly pollEveryMs?: number
}

const POLL_EVERY_MS = 1000
/** Each so many-th poll, once a minute, asks for everything: somebody may have revoked by hand, and taken long. */
const POLLS_PER_MINUTE = LATE_WITHIN_SECONDS
/** How far back a poll looks that was asked for by a notice: what commits later than that, the next full one finds. */
const NOTICE_OVERLAP_SECONDS = 2
/** After each poll, before the next notice is obeyed: in a storm a replica neither asks all the time nor learns late. */
const PAUSE_MS = 50
/** Beyond the life of the token: clocks of replicas and database differ, and the one that judges a token did not make it. */
const SLACK_SECONDS = 300
const CHANNEL = 'keyturn_revoked'

/**
 * The session ids revoked within an access life, in memory: loaded before the service is ready, then asked for every
 * second, and at once when another replica tells that it has revoked something. While the database is away the set
 * stays as it is, and so does the service of those who only verify.
 */
export const revocationsPlugin = fp<RevocationsPluginOptions>(
  async (app, { accessTtlSeconds, databaseUrl, now, random, pollEveryMs = POLL_EVERY_MS }) => {
    const keepSeconds = accessTtlSeconds + SLACK_SECONDS
    const log = createRevocationLog()
    const life = randomBytes(LIFE_BYTES)
    const listeners = new Set<() => void>()
    const bell = createBell()
    /** The clock of the database when it last answered, our own then, and the former when it last had news that was late. */
    let clock = 0
    let askedAt = 0
    let lateAt = 0

    async function poll(since: number | undefined, overlapSeconds: number): Promise<number> {
      const answer = await findRevokedSince(app.database, since, overlapSeconds)
      const learnt = log.addPacked(answer.records)
      clock = answer.now
      askedAt = now()
      log.forgetUntil(clock - keepSeconds * 1000)
      if (learnt > 0) tellListeners()
      return learnt
    }

    function tellListeners(): void {
      for (const learnt of listeners) learnt()
    }

    /** Also what was committed later than anybody counts with, which no other poll would find. */
    async function pollAll(): Promise<void> {
      const [before, late] = [log.last, clock - COMMIT_WITHIN_SECONDS * 1000]
      await poll(undefined, keepSeconds)
      for (const { revokedAt } of log.after(before)) if (revokedAt <= late) lateAt = clock
    }

    let ticks = 0
    let due: 'notice' | 'second' | 'minute' = 'notice'
    function owe(poll: typeof due): void {
      if (due !== 'minute' && poll !== 'notice') due = poll
    }
    const timeline = watchTimeline(app.database)
    /** A database that has lost its last commits is told them again by whoever remembers. */
    async function writeBack(): Promise<void> {
      const written = await timeline.settle(() => Array.from(log.after(0), ({ sessionId }) => sessionId))
      if (written > 0)
        app.log.warn({ sessions: written }, 'another database answers: revocations written back')
    }

    async function pollAsDue(): Promise<void> {
      const doing = due
      due = 'notice'
      try {
        if (doing === 'minute') await pollAll()
        else await poll(clock, doing === 'second' ? COMMIT_WITHIN_SECONDS : NOTICE_OVERLAP_SECONDS)
        if (doing === 'minute') timeline.suspect()
        await writeBack()
      } catch (error) {
        timeline.suspect()
        // A short look back would not do for the first answer after a while without.
        owe(doing)
        throw error
      }
    }

    let closed = false
    async function keepPolling(): Promise<void> {
      while (!closed) {
        await bell.wait(pollEveryMs / 1000)
        if (closed) return
        await pollAsDue().catch((error) => app.log.warn({ err: error }, 'revocations could not be polled'))
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS).unref())
      }
    }

    await poll(undefined, keepSeconds)
    await writeBack()
    const ticking = setInterval(() => {
      ticks += 1
      owe(ticks % POLLS_PER_MINUTE === 0 ? 'minute' : 'second')
      bell.ring()
    }, pollEveryMs).unref()
    const notices = openNotices({
      url: databaseUrl,
      channel: CHANNEL,
      onNotice: bell.ring,
      onSilence(reason) {
        timeline.suspect()
        app.log.warn({ reason }, 'revocations are polled: nobody listens to the database')
      },
      tellByPool: (statement) => app.database.pool.query(statement),
      random,
    })
    app.addHook('onReady', async () => void keepPolling())
    app.addHook('onClose', async () => {
      closed = true
      clearInterval(ticking)
      bell.ring()
      await notices.close()
    })

    app.decorate('revokedSessions', {
      has: log.has,
      add(sessionIds) {
        const at = clock + Math.max(0, now() - askedAt)
        const learnt = sessionIds.filter((sessionId) => log.add(sessionId, at))
        if (learnt.length === 0) return
        notices.tell()
        tellListeners()
      },
    } satisfies RevokedSessions)

    app.decorate('revocations', {
      log,
      slackSeconds: SLACK_SECONDS,
      known: () => ({
        life,
        position: log.last,
        clock,
        forgotten: log.forgotten,
        heldSince: clock - keepSeconds * 1000,
        lateAt,
      }),
      onLearnt(learnt) {
        listeners.add(learnt)
        return () => listeners.delete(learnt)
      },
    } satisfies Revocations)
    for (const [name, help, read] of [
      [
        'staleness_seconds',
        'How long ago this replica last learnt what others have revoked.',
        () => Math.max(0, now() - askedAt) / 1000,
      ],
      [
        'listening',
        'Whether it is told at once (1), or asks every second (0).',
        () => (notices.isListening ? 1 : 0),
      ],
      ['held', 'Revoked sessions whose access tokens may not have expired yet.', () => log.size],
    ] as const)
      app.metrics.add(createGauge(`keyturn_revocations_${name}`, help, read))
  },
  { name: 'revocations', dependencies: ['database', 'metrics'] },
)
