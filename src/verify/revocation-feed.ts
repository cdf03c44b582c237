import { secondsSince } from './age.ts'
import type { Fetch, JsonAnswer } from './fetch-json.ts'
import { FetchError, fetchJson } from './fetch-json.ts'
import { readRevocationAnswer } from './revocation-answer.ts'
import { createRevokedSessions } from './revoked-sessions.ts'

export interface RevocationFeedNeeds {
  readonly fetch: Fetch
  readonly url: URL
  readonly clientId: string
  readonly clientSecret: string
  readonly maxStaleSeconds: number
  /** Beyond the life of a token that its verifier still grants it. */
  readonly clockToleranceSeconds: number
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** From 0 up to 1. */
  readonly random: () => number
  /** Told of each try that failed. */
  readonly onProblem: (error: unknown) => void
}

export interface RevocationFeed {
  readonly size: number
  /** Whether the session has ended, as far as is known, and whether what is known is fresh. Waits for the first try, never longer. */
  look(sessionId: string): Promise<{ readonly revoked: boolean; readonly fresh: boolean }>
  /** Since the feed answered last; `undefined` before. */
  ageSeconds(): number | undefined
  /** @throws what the first try threw, if it failed */
  ready(): Promise<void>
  close(): void
}

/** How long one question is held open, at most; the feed allows 30. */
const WAIT_SECONDS = 25
const TIMEOUT_SECONDS = 5
/** Revocations in a burst come in one answer, and a logout is still known in well under a second. */
const PAUSE_MS = 200
/** After an answer that came at once and brought nothing: this feed does not hold questions open. */
const IDLE_PAUSE_MS = 1000
const BACKOFF_MS = { first: 500, most: 30_000 } as const
const FORGET_EVERY_SECONDS = 60
/** More than half a million revocations. */
const MAX_BYTES = 64 * 1024 * 1024

/**
 * The sessions revoked within an access life, kept up to date by long poll until `close`. Answers are added and never
 * taken back, so one that comes twice, or a whole set after `reset`, changes nothing: only expiry forgets.
 */
export function createRevocationFeed(needs: RevocationFeedNeeds): RevocationFeed {
  const { now, maxStaleSeconds } = needs
  const sessions = createRevokedSessions()
  const closing = new AbortController()
  const waitSeconds = Math.max(1, Math.min(WAIT_SECONDS, Math.floor(maxStaleSeconds / 3)))
  const authorization = `Basic ${btoa(`${formEncode(needs.clientId)}:${formEncode(needs.clientSecret)}`)}`
  let cursor: string | undefined
  /** Of the last answer, and the question it belongs to. */
  let etag: { readonly value: string; readonly after: string | undefined } | undefined
  let answeredAt: number | undefined
  let forgotAt = now()
  let failures = 0

  const first = ask()
  first.catch(() => undefined)
  void first.then(pauseAfter, backOff).then(follow)

  const age = () => (answeredAt === undefined ? undefined : secondsSince(answeredAt, now()))

  /** One question; whether it brought something, and how long it took. */
  async function ask(): Promise<{ readonly news: boolean; readonly tookSeconds: number }> {
    const askedAt = now()
    const wait = cursor === undefined ? 0 : waitSeconds
    const url = new URL(needs.url)
    if (cursor !== undefined) url.searchParams.set('after', cursor)
    if (wait > 0) url.searchParams.set('wait', String(wait))
    const answer = await fetchJson({
      fetch: needs.fetch,
      url,
      headers: { authorization, ...(etag && etag.after === cursor ? { 'if-none-match': etag.value } : {}) },
      timeoutSeconds: TIMEOUT_SECONDS + (cursor === undefined ? TIMEOUT_SECONDS : wait),
      maxBytes: MAX_BYTES,
      signal: closing.signal,
    })
    const news = learn(answer)
    answeredAt = now()
    return { news, tookSeconds: secondsSince(askedAt, answeredAt) }
  }

  function learn({ headers, body }: JsonAnswer): boolean {
    const nowSeconds = now() / 1000
    // By our own clock and tolerance, for they decide how long a token is believed here.
    const forget = nowSeconds - needs.clockToleranceSeconds
    if (secondsSince(forgotAt, now()) > FORGET_EVERY_SECONDS) {
      sessions.forgetBefore(forget)
      forgotAt = now()
    }
    if (body === undefined) return false
    const { revoked, cursor: next } = readRevocationAnswer(body)
    for (const { sid, expires_at: expiresAt } of revoked)
      if (expiresAt >= forget) sessions.add(sid.toLowerCase(), expiresAt)
    const value = headers.get('etag')
    etag = value === null ? undefined : { value, after: cursor }
    cursor = next
    return revoked.length > 0
  }

  async function follow(): Promise<void> {
    while (!closing.signal.aborted) await ask().then(pauseAfter, backOff)
  }

  function pauseAfter({ news, tookSeconds }: Awaited<ReturnType<typeof ask>>): Promise<void> {
    failures = 0
    const pauseMs = news || tookSeconds >= 1 ? PAUSE_MS : IDLE_PAUSE_MS
    return sleep(pauseMs, closing.signal)
  }

  /** Longer with each failure, and by chance, so that not all verifiers return at the same moment. */
  function backOff(error: unknown): Promise<void> {
    if (closing.signal.aborted) return Promise.resolve()
    needs.onProblem(error)
    const least = (error instanceof FetchError ? (error.retryAfterSeconds ?? 0) : 0) * 1000
    const upper = Math.min(BACKOFF_MS.first * 2 ** failures, BACKOFF_MS.most)
    failures += 1
    const pauseMs = Math.max(Math.min(least, BACKOFF_MS.most), upper / 2) + (needs.random() * upper) / 2
    return sleep(pauseMs, closing.signal)
  }

  return {
    get size() {
      return sessions.size
    },
    async look(sessionId) {
      if (answeredAt === undefined) await first.catch(() => undefined)
      return {
        revoked: sessions.has(sessionId),
        fresh: (age() ?? Number.POSITIVE_INFINITY) <= maxStaleSeconds,
      }
    },
    ageSeconds: age,
    ready: async () => void (await first),
    close: () => closing.abort(),
  }
}

/** Ends early, and in peace, when the signal is aborted; keeps no process alive. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
    // Where timers are numbers (browsers, workers) they keep nothing alive.
    if (typeof timer === 'object') timer.unref()
  })
}

/** As a form writes it, which RFC 6749 (2.3.1) wants of both halves of the credentials. */
function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}
