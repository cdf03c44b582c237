import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import t from 'tap'
import { createTestDatabase } from '../helpers/postgres.ts'
import type { Adapter, Subject } from './adapter.ts'
import { openKeyturn } from './keyturn-adapter.ts'
import { STILL } from './keyturn-clock.ts'
import { createLedger } from './ledger.ts'
import { openNaive } from './naive-adapter.ts'
import type { Planned } from './plan.ts'
import { plan, SCORED } from './plan.ts'
import type { Score } from './score.ts'
import { createScore, rowsOf } from './score.ts'
import { scoreServer } from './score-server.ts'
import type { Answer, Party } from './server.ts'
import { drawSchedule, tryServer } from './trial.ts'
import { createWorld } from './world.ts'

// KEYTURN_SEED=7 draws other schedules; `npm run torture` runs many more of them.
const SEED = Number(process.env['KEYTURN_SEED'] ?? 1)
const SECOND = 1000
const DAY = 24 * 3600 * SECOND

const missed = (score: Score) => rowsOf(score).filter(({ isReached }) => isReached === false)
const reachedOf = (score: Score, begin: string) =>
  rowsOf(score)
    .filter(({ what }) => what.startsWith(begin))
    .map(({ reached }) => Number(reached))

/** At most one death each, so that all of them share one. */
function* fewDeaths(): Generator<Planned> {
  for (const planned of plan(SCORED)) {
    const { faults } = drawSchedule(planned.family, SEED, planned.n)
    if (faults.filter(({ kind }) => kind === 'restart').length <= 1) yield planned
  }
}

const asking = (party: Party, refresh: string, replica = 0) =>
  ({ party, replica, refresh, key: undefined, isAnswerLost: false }) as const

/** A session that has just begun, and a way to refresh it so long after its sign-in. */
async function begin(adapter: Adapter): Promise<{
  readonly subject: Subject
  readonly first: string
  readonly access: string
  refresh(afterMs: number, token: string, party?: Party): Promise<string>
}> {
  const subject = await adapter.open({ replicas: 2, mayFailOver: true })
  const { refresh: first, access } = await subject.signIn(STILL)
  return {
    subject,
    first,
    access,
    refresh: async (afterMs, token, party = 'client') =>
      wordOf(await subject.refresh(asking(party, token), STILL + afterMs)),
  }
}

/** The token, or the code. */
function wordOf(answer: Answer | { readonly kind: 'unread' }): string {
  if (answer.kind === 'tokens') return answer.refresh
  return answer.kind === 'refused' ? answer.code : answer.kind
}

t.test('what may have been late by a request without an answer is no replay inside the grace', async (t) => {
  const lives = { graceSeconds: 30, idleTtlSeconds: DAY / SECOND, ttlSeconds: DAY / SECOND }
  /** The thief uses what the client has exchanged, so long after it did. */
  const replaysAfter = (seconds: number, isFirstLost: boolean) => {
    const ledger = createLedger(createWorld(STILL, false), lives)
    const next = { kind: 'tokens', refresh: 'second', access: 'access', expiresIn: 900 } as const
    ledger.signedIn({ ...next, refresh: 'first' }, STILL)
    if (isFirstLost)
      ledger.answered(asking('client', 'first'), { kind: 'failed', retryAfterSeconds: 1 }, STILL)
    ledger.answered(asking('client', 'first'), next, STILL + 20 * SECOND)
    ledger.answered(asking('thief', 'first'), next, STILL + (20 + seconds) * SECOND)
    return ledger.replays.thief
  }
  t.equal(replaysAfter(30, false), 1)
  t.equal(replaysAfter(31, false), 0)
  t.equal(replaysAfter(10, true), 1)
  t.equal(replaysAfter(11, true), 0)
})

t.test('Keyturn, by nothing but HTTP', async (t: Test) => {
  const { url } = await createTestDatabase(t)
  const adapter = await openKeyturn(url, { concurrency: 40, deathShare: 1 })
  t.teardown(() => adapter.close())

  t.test('each session lives at the time of its own schedule', async (t) => {
    const [busy, idle, stolen] = [await begin(adapter), await begin(adapter), await begin(adapter)]
    const second = await busy.refresh(29 * DAY, busy.first)
    t.match(second, /^ktr_/)
    t.match(await busy.refresh(58 * DAY, second), /^ktr_/)
    t.equal(await idle.refresh(31 * DAY, idle.first), 'refresh_expired')

    const next = await stolen.refresh(DAY, stolen.first)
    t.equal(await stolen.refresh(DAY + 30 * SECOND, stolen.first, 'thief'), next, 'inside the grace')
    t.strictSame(await stolen.subject.recordedReplays?.(), { client: 0, thief: 1, late: 0 })
    t.equal(await stolen.refresh(DAY + 31 * SECOND, stolen.first, 'thief'), next, 'taken for a lost answer')
    const third = await stolen.refresh(2 * DAY, next)
    t.match(third, /^ktr_/)
    t.equal(await stolen.refresh(3 * DAY, stolen.first), 'refresh_replayed')
    t.equal(await stolen.refresh(3 * DAY, third), 'session_revoked')
    for (const { subject } of [busy, idle, stolen]) await subject.end()
  })

  t.test(
    'an access token is over when the time of its schedule says so, and what was seen is noted',
    async (t) => {
      const { subject, first, access, refresh } = await begin(adapter)
      t.equal(await subject.checkStatus(0, access, STILL + 600 * SECOND), true)
      t.equal(await subject.checkStatus(1, access, STILL + 901 * SECOND), false)
      const answer = await subject.refresh(asking('client', first), STILL + 902 * SECOND)
      if (answer.kind !== 'tokens') throw new Error('the session is not there')
      t.equal(await subject.checkStatus(1, answer.access, STILL + 903 * SECOND), true)
      t.equal(await refresh(940 * SECOND, first, 'thief'), 'refresh_replayed', 'its successor was seen')
      await subject.end()
    },
  )

  t.test('commits that are lost are lost, and a token ahead of its row heals it', async (t) => {
    const { subject, first, refresh } = await begin(adapter)
    const second = await refresh(10 * SECOND, first)
    const third = await refresh(12 * SECOND, second)
    await subject.failOver?.(STILL + 13 * SECOND, STILL + 11 * SECOND, 5)
    t.equal(await refresh(20 * SECOND, second), third, 'rotated once more')
    await subject.failOver?.(STILL + 21 * SECOND, STILL, 1)
    t.match(await refresh(100 * SECOND, third), /^ktr_/, 'healed')
    await subject.end()
  })

  t.test('every gate is reached: losses, tabs, thieves, lost commits, processes that die', async (t) => {
    const score = createScore()
    const few = fewDeaths()
    const planned = Array.from({ length: adapter.concurrency }, () => few.next().value)
    t.comment(`KEYTURN_SEED=${SEED}`)
    await Promise.all(
      planned.map(async ({ family, n }) => score.add(await tryServer(adapter, family, SEED, n))),
    )
    t.same(score.findings, [])
    t.same(missed(score), [])
    for (const { what, reached, of } of rowsOf(score)) {
      t.comment(`${what}: ${reached} of ${of}`)
      t.not(reached, 'not offered', what)
      t.notMatch(of, /^0 /, what)
    }
  })
})

t.test('the driver finds the honest clients whom a server logs out', async (t) => {
  const adapter = await openNaive('revoke')
  t.teardown(() => adapter.close())
  const score = await scoreServer(adapter, { seed: SEED, schedules: plan(SCORED), refreshes: 400 })
  const [keyed = 0, keyless = 0] = reachedOf(score, 'false logouts')
  t.ok(keyed > 5, `${keyed} with the key`)
  t.ok(keyless > 5, `${keyless} without`)
  t.same(reachedOf(score, 'thieves'), [0], 'it catches thieves')
})

t.test('the driver finds the thieves whom a server keeps', async (t) => {
  const adapter = await openNaive('forgive')
  t.teardown(() => adapter.close())
  const score = await scoreServer(adapter, { seed: SEED, schedules: plan(SCORED), refreshes: 400 })
  t.same(reachedOf(score, 'false logouts with').slice(0, 2), [0, 0], 'it logs nobody out')
  const [thieves = 0] = reachedOf(score, 'thieves')
  t.ok(thieves > 3, `${thieves} thieves hold on`)
})

t.test('a gate that is missed is an exit status of 1, with the schedules that tell why', async (t) => {
  const [program, adapter] = ['./torture.ts', './naive-adapter.ts'].map((file) =>
    fileURLToPath(new URL(file, import.meta.url)),
  )
  const args = ['--import', new URL('../../tools/ts.mjs', import.meta.url).href, program ?? '']
  const run = promisify(execFile)(process.execPath, [...args, '--refreshes=50', `--adapter=${adapter}`])
  const { code, stdout } = await run.catch((error) => error)
  t.equal(code, 1)
  t.match(stdout, /\| \d+ \*\*missed\*\* \|/)
  t.match(stdout, /--seed 1 --replay \d+:\d+/)
})
