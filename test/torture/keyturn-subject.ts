import { setTimeout as pause } from 'node:timers/promises'
import type { EventKind } from '../../src/core/events.ts'
import type { Stage, Subject, Unread } from './adapter.ts'
import type { HttpAnswer, HttpRequest } from './connections.ts'
import type { Deaths } from './deaths.ts'
import type { InTurn } from './in-turn.ts'
import { CLOCK_HEADER, STILL } from './keyturn-clock.ts'
import type { KeyturnReplica } from './keyturn-replica.ts'
import type { Rows, Snapshot } from './keyturn-rows.ts'
import type { Answer, Party, Tokens } from './server.ts'

export interface SubjectNeeds {
  readonly stage: Stage
  readonly seat: number
  readonly account: string
  readonly replicas: readonly KeyturnReplica[]
  readonly rows: Rows
  readonly deaths: Deaths
  readonly inTurn: InTurn
}

const PASSWORD = 'a-cup-of-stars'
/** In so long a replica has written that it met a generation: it gathers such notes for 200 ms. */
const SEEN_WITHIN_MS = 300
/** Of the answers that are lost the others are read and thrown away: a connection anew costs more than a refresh. */
const CUT_EVERY = 4
const SIGN_IN_TRIES = 100
const FAILED: Answer = { kind: 'failed', retryAfterSeconds: undefined }

/** Makes an account that schedules sign in to. */
export async function signUp(replica: KeyturnReplica, username: string): Promise<void> {
  const body = { username, email: `${username}@example.com`, password: PASSWORD }
  const answer = await replica.ask(post('/register', 'client', STILL, body), false, async () => {})
  if (answer?.status !== 201) throw new Error(`POST /register answered ${answer?.status}`)
}

/** Tries again while too many sign in at once. */
async function signIn(replica: KeyturnReplica, username: string, at: number): Promise<Tokens> {
  const request = post('/token', 'client', at, { username, password: PASSWORD })
  for (let tries = 1; ; tries += 1) {
    const answer = await replica.ask(request, false, async () => {})
    const tokens = tokensOf(answer)
    if (tokens !== undefined) return tokens
    const mayTryAgain = answer === undefined || answer.status === 503
    if (!mayTryAgain || tries === SIGN_IN_TRIES)
      throw new Error(`POST /token answered ${answer?.status ?? 'nothing'}`)
    await pause(Math.random() * 1000)
  }
}

/** A session of its own for one schedule. */
export function subjectOf({ stage, seat, account, replicas, rows, deaths, inTurn }: SubjectNeeds): Subject {
  let sessionId = ''
  /** How far its row has been aged, and until when that is done. */
  let agedTo = 0
  let ageing: Promise<unknown> = Promise.resolve()
  let isDoomed = false
  let lost = seat
  const before: { readonly at: number; readonly row: Snapshot }[] = []
  const shown = new Set<string>()

  function replicaOf(index: number): KeyturnReplica {
    const replica = replicas[(stage.replicas === 1 ? seat : index) % replicas.length]
    if (replica === undefined) throw new Error('Keyturn has no replica')
    return replica
  }

  /** The clock of the database stands still; the row is made older by as much as has passed for its session. */
  function moveClock(to: number): Promise<unknown> {
    const ms = Math.round(to) - agedTo
    if (ms === 0 && !stage.mayFailOver) return ageing
    agedTo += ms
    const at = agedTo
    ageing = ageing.then(async () => {
      const row = await rows.age(sessionId, ms)
      // It is gone once the sweeper found it expired.
      if (row !== undefined && stage.mayFailOver) before.push({ at, row })
    })
    return ageing
  }

  const send = (index: number, request: HttpRequest, at: number) =>
    replicaOf(index).ask(request, isDoomed, () => moveClock(at))

  const subject: Subject = {
    async signIn(at) {
      if (sessionId !== '') throw new Error('a schedule has one session')
      const tokens = await inTurn(() => signIn(replicaOf(0), account, at))
      agedTo = Math.round(at)
      sessionId = sessionOf(tokens.access)
      deaths.begin()
      return tokens
    },
    async refresh({ party, replica, refresh, key, isAnswerLost }, at) {
      lost += isAnswerLost ? 1 : 0
      const isCut = isAnswerLost && lost % CUT_EVERY === 0
      const request = post('/refresh', party, at, { refresh }, key, isCut)
      return judge(await send(replica, request, at), isCut)
    },
    async checkStatus(replica, access, at) {
      const headers = { authorization: `Bearer ${access}`, [CLOCK_HEADER]: String(Math.floor(at)) }
      const answer = await send(replica, { method: 'GET', path: '/check-auth-status', headers }, at)
      if (answer?.status === 200 && !shown.has(access)) await pause(SEEN_WITHIN_MS)
      shown.add(access)
      return answer?.status === 200
    },
    async logOut(replica, refresh, at) {
      await send(replica, post('/logout', 'client', at, { refresh }), at)
    },
    async restart(replica, sendAll) {
      const index = stage.replicas === 1 ? seat : replica
      await deaths.die(index, () => {
        isDoomed = true
        sendAll()
      })
      isDoomed = false
    },
    async failOver(at, since, commits) {
      await moveClock(at)
      const first = Math.max(before.length - 1 - commits, 0)
      // The last one is the row as it is: nothing was sent after it.
      const index = before.findIndex((state, index) => index >= first && state.at >= since)
      const state = before[index]
      if (state === undefined || index === before.length - 1) return
      before.splice(index + 1)
      await rows.restore(sessionId, state.row, agedTo - state.at)
    },
    async recordedReplays() {
      const count = (kind: EventKind, party: Party) => rows.countEvents(sessionId, kind, party)
      const [client, thief, ...late] = await Promise.all([
        count('refresh_replayed', 'client'),
        count('refresh_replayed', 'thief'),
        count('refresh_lost_answer', 'client'),
        count('refresh_lost_answer', 'thief'),
      ])
      return { client, thief, late: late.reduce((sum, each) => sum + each, 0) }
    },
    async end() {
      if (sessionId === '') return
      deaths.end()
      await rows.remove(sessionId)
    },
  }
  return subject
}

function post(
  path: string,
  party: Party,
  at: number,
  body: Readonly<Record<string, string>>,
  key?: string,
  isCut = false,
): HttpRequest {
  const headers = {
    'content-type': 'application/json',
    'user-agent': party,
    [CLOCK_HEADER]: String(Math.floor(at)),
    ...(key !== undefined && { 'idempotency-key': key }),
  }
  return { method: 'POST', path, headers, body: JSON.stringify(body), isCut }
}

/** What a client may conclude; anything that no client should ever see is a defect. */
function judge(answer: HttpAnswer | undefined, isCut: boolean): Answer | Unread {
  if (answer === undefined) return FAILED
  const { status, head, body } = answer
  if (isCut && (status === 200 || status === 401)) return { kind: 'unread', isGranted: status === 200 }
  if (isCut && (status === 409 || status === 503)) return FAILED
  const tokens = tokensOf(answer)
  if (tokens !== undefined) return { kind: 'tokens', ...tokens }
  if (status === 401) return { kind: 'refused', code: JSON.parse(body).code }
  if (status === 409 || status === 503) {
    const seconds = /\r\nretry-after: (\d+)/i.exec(head)?.[1]
    return { kind: 'failed', retryAfterSeconds: seconds === undefined ? undefined : Number(seconds) }
  }
  throw new Error(`POST /refresh answered ${status}`)
}

function tokensOf(answer: HttpAnswer | undefined): Tokens | undefined {
  if (answer?.status !== 200) return undefined
  const { refresh, access, expires_in } = JSON.parse(answer.body)
  return { refresh, access, expiresIn: expires_in }
}

function sessionOf(access: string): string {
  return JSON.parse(Buffer.from(access.split('.')[1] ?? '', 'base64url').toString()).sid
}
