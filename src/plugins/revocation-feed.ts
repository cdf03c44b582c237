import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { Type } from 'typebox'
import { AuthError } from '../core/errors.ts'
import type { Knowledge, Telling } from '../core/revocation-cursor.ts'
import { encodeCursor, judgeCursor } from '../core/revocation-cursor.ts'
import type { Revocation } from '../core/revocation-log.ts'
import type { Manner } from './endpoint.ts'
import { action, endpoint } from './endpoint.ts'
import { createGauge } from './metric-kinds.ts'
import { createWaitingRoom } from './waiting-room.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Those who follow the revocations of this replica at this moment. */
    readonly revocationReaders: { readonly waiting: number }
  }
}

export interface RevocationFeedOptions {
  readonly manner: Manner
  /** The longest life of an access token, seconds. */
  readonly accessTtlSeconds: number
}

const WAIT_MAX_SECONDS = 30
/** Whoever comes beyond that is answered at once. */
const WAITING_MAX = 1000
/** A reader who is sent to another replica each time is told things twice, and must not come back at once for that. */
const TWICE_TOLD_PAUSE_MS = 500
/** Beyond so many the answer is written and compressed piece by piece, so that no other request waits for it. */
const AT_ONCE_MAX = 500

const Feed = Type.Object({
  revoked: Type.Array(
    Type.Object({
      sid: Type.String({ format: 'uuid', description: 'The claim `sid` of the access tokens to be refused' }),
      revoked_at: Type.Integer({ description: 'Seconds since 1970' }),
      expires_at: Type.Integer({
        description: 'From then on no living token has it, and it may be forgotten',
      }),
    }),
  ),
  cursor: Type.String({ description: 'Send it as `after` to have what comes next; opaque' }),
  server_time: Type.Integer({ description: 'Seconds since 1970, here' }),
  max_age: Type.Integer({ description: 'The longest life of an access token in seconds' }),
  reset: Type.Optional(
    Type.Literal(true, {
      description: 'The cursor was not known or too old: this is the whole set, start anew',
    }),
  ),
})

/** `/revocations`: what verifiers follow, told from the memory of this replica. */
export const revocationFeedPlugin = fp<RevocationFeedOptions>(
  async (app, { manner, accessTtlSeconds }) => {
    const { revocations } = app
    const keptSeconds = accessTtlSeconds + revocations.slackSeconds
    const room = createWaitingRoom(WAITING_MAX)
    app.decorate('revocationReaders', room)
    app.metrics.add(
      createGauge(
        'keyturn_revocations_readers',
        'Services that wait for the next revocation.',
        () => room.waiting,
      ),
    )

    revocations.onLearnt(room.wakeAll)
    app.health.whenDraining(room.end)
    app.addHook('preClose', (done) => {
      room.end()
      done()
    })

    // Another way of telling the same, such as a Token Status List, is another writer over this view.
    function* written(telling: Telling, known: Knowledge): Generator<string> {
      const entry = ({ sessionId, revokedAt }: Revocation) => {
        const expiresAt = Math.ceil(revokedAt / 1000) + keptSeconds
        return `{"sid":"${sessionId}","revoked_at":${Math.floor(revokedAt / 1000)},"expires_at":${expiresAt}}`
      }
      let piece: string[] = []
      let start = '{"revoked":['
      for (const revocation of toldBy(telling)) {
        piece.push(entry(revocation))
        if (piece.length < AT_ONCE_MAX) continue
        yield start + piece.join()
        piece = []
        start = ','
      }
      if (piece.length > 0 || start !== ',') yield start + piece.join()
      const rest = {
        cursor: encodeCursor(known),
        server_time: Math.floor(app.auth.now() / 1000),
        max_age: accessTtlSeconds,
        ...(telling.kind === 'all' && telling.reset && { reset: true }),
      }
      yield `],${JSON.stringify(rest).slice(1)}`
    }

    function* toldBy(telling: Telling): Generator<Revocation> {
      const { log } = revocations
      if (telling.kind !== 'since') return yield* log.after(telling.kind === 'behind' ? telling.position : 0)
      for (const revocation of log.after(0)) if (revocation.revokedAt > telling.revokedAfter) yield revocation
    }

    function answer(request: FastifyRequest, reply: FastifyReply, telling: Telling, known: Knowledge) {
      const most = telling.kind === 'behind' ? known.position - telling.position : revocations.log.size
      reply.type('application/json; charset=utf-8').serializer(String)
      if (most <= AT_ONCE_MAX) return reply.send([...written(telling, known)].join(''))
      const pieces = Readable.from(written(telling, known))
      if (!acceptsGzip(request)) return reply.send(pieces)
      const gzip = createGzip({ level: 5 })
      pieces.once('error', (error) => gzip.destroy(error))
      return reply.header('content-encoding', 'gzip').send(pieces.pipe(gzip))
    }

    const follow = action({
      guard: 'service',
      // It waits as long as the caller asked for, and who reads slowly reads on.
      summary: 'Which sessions were revoked, for services that verify access tokens themselves.',
      description:
        `Without \`after\` all of those whose access tokens may still be alive; with it, what was learnt since. With \`wait\` (0 to ${WAIT_MAX_SECONDS}` +
        ' seconds) the answer comes when there is something new, or when that time is over; when too many wait, or the' +
        ' service is about to end, it comes at once. A weak ETag tells whether anything was learnt; If-None-Match is' +
        ' answered 304. Take what you know already once more: nothing is ever skipped, and some things are told twice.',
      query: Type.Object({
        after: Type.Optional(Type.String({ description: 'The `cursor` of the answer before' })),
        wait: Type.Optional(Type.String({ description: 'Seconds' })),
      }),
      answers: { 200: Feed },
      async handle(request, reply) {
        const { after } = request.query
        const waitMs = waitOf(request.query.wait) * 1000
        const tag = (known: Knowledge) => `W/"${known.life.toString('hex')}-${known.position}"`
        const isKnown = (known: Knowledge) => matches(request.headers['if-none-match'], tag(known))

        let known = revocations.known()
        const before = judgeCursor(after, known)
        const hasNothing = before.kind === 'behind' && before.position === known.position
        if (waitMs > 0 && (hasNothing || isKnown(known))) await room.wait(request, waitMs)
        else if (waitMs > 0 && before.kind === 'since')
          await room.wait(request, Math.min(waitMs, TWICE_TOLD_PAUSE_MS))

        known = revocations.known()
        reply.headers({ 'cache-control': 'private, no-cache', etag: tag(known) })
        if (isKnown(known)) return reply.code(304).send()
        return answer(request, reply, judgeCursor(after, known), known)
      },
    })
    endpoint(app, manner, '/revocations', 'Revocations', { GET: follow })
  },
  { name: 'revocation-feed', dependencies: ['revocations', 'guards', 'health', 'auth', 'metrics'] },
)

function waitOf(text = '0'): number {
  const wait = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN
  if (wait <= WAIT_MAX_SECONDS) return wait
  const message = `Send whole seconds, from 0 to ${WAIT_MAX_SECONDS}.`
  throw new AuthError('validation_failed', { fields: { wait: [message] } })
}

/** RFC 9110, 13.1.2: compared weakly. */
function matches(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false
  return header
    .split(',')
    .some((each) => each.trim() === '*' || each.trim().replace(/^W\//, '') === tag.slice(2))
}

/** RFC 9110, 12.5.3, as far as clients go: named, and not with a weight of nothing. */
function acceptsGzip({ headers }: FastifyRequest): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:\s*(?:,|$)))/i.test(String(headers['accept-encoding'] ?? ''))
}
