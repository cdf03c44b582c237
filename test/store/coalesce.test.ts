import t from 'tap'
import { AuthError } from '../../src/core/errors.ts'
import { coalesce } from '../../src/store/coalesce.ts'
import { until } from '../helpers/until.ts'

/** A `run` whose statements end when the test says so, and which keeps what each was asked. */
function statements() {
  const batches: { asks: readonly number[]; answer: () => void; fail: (error: unknown) => void }[] = []
  const run = (asks: readonly number[]) =>
    new Promise<readonly string[]>((resolve, reject) => {
      batches.push({ asks, answer: () => resolve(asks.map(String)), fail: reject })
    })
  return {
    run,
    /** What went out so far. */
    asked: () => batches.map(({ asks }) => asks),
    /** Statement number `index`, from the moment it has gone out. */
    async nth(index: number) {
      return until(`statement ${index} has gone out`, () => batches[index])
    },
  }
}

const outcomes = async (asked: readonly Promise<string>[]) =>
  (await Promise.allSettled(asked)).map((outcome) =>
    outcome.status === 'fulfilled' ? outcome.value : outcome.reason,
  )
const refused = (what: string) => Object.assign(new Error(what), { code: '22P02' })
const gone = () => Object.assign(new Error('connection lost'), { code: '57P01' })
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)

t.test('what comes alone goes at once', async (t) => {
  const { run, asked, nth } = statements()
  const answer = coalesce(run, 3)(1)
  t.same(asked(), [[1]], 'before anything else has had its turn')
  const only = await nth(0)
  only.answer()
  t.equal(await answer, '1')
})

t.test('what arrives meanwhile shares the next statements, so many at a time and in order', async (t) => {
  const { run, asked, nth } = statements()
  const ask = coalesce(run, 3)
  const answers = numbers(1, 8).map(ask)
  t.same(asked(), [[1]], 'one statement at a time')
  for (const index of numbers(0, 3)) (await nth(index)).answer()
  t.same(await outcomes(answers), numbers(1, 8).map(String), 'to each its own answer')
  t.same(asked(), [[1], [2, 3, 4], [5, 6, 7], [8]])

  const later = ask(9)
  t.same(asked().at(-1), [9], 'and when all is answered the next goes at once again')
  ;(await nth(4)).answer()
  t.equal(await later, '9')
})

t.test('a refused statement is the fault of one, and the others do not suffer', async (t) => {
  const ran: (readonly number[])[] = []
  const ask = coalesce<number, string>(async (asks) => {
    ran.push(asks)
    await new Promise((resolve) => setImmediate(resolve))
    if (asks.includes(3)) throw refused(`${asks}`)
    return asks.map(String)
  }, 10)
  const answers = numbers(1, 5).map(ask)
  t.match(await outcomes(answers), ['1', '2', { code: '22P02', message: '3' }, '4', '5'])
  t.same(ran, [[1], [2, 3, 4, 5], [2], [3], [4], [5]])
})

t.test('a defect that is no error of Postgres is treated the same, thrown at once or later', async (t) => {
  const ask = coalesce<number, string>((asks) => {
    if (asks.includes(2)) throw new TypeError('a defect')
    return Promise.resolve(asks.map(String))
  }, 10)
  const first = ask(2)
  t.match(await outcomes([first, ask(1), ask(2), ask(3)]), [TypeError, '1', TypeError, '3'])
  t.equal(await ask(4), '4', 'and it goes on')
})

t.test('when the database is away those in the statement and those behind it hear so at once', async (t) => {
  const { run, asked, nth } = statements()
  const ask = coalesce(run, 3)
  const answers = numbers(1, 8).map(ask)
  ;(await nth(0)).answer()
  ;(await nth(1)).fail(gone())
  t.match(await outcomes(answers), ['1', ...Array(7).fill({ code: '57P01' })])
  t.same(asked(), [[1], [2, 3, 4]], 'nobody is sent after them')

  const later = ask(9)
  t.same(asked().at(-1), [9], 'the next finds out for itself')
  ;(await nth(2)).answer()
  t.equal(await later, '9')
})

t.test('a database that goes away while the innocent go alone is found out once', async (t) => {
  const { run, asked, nth } = statements()
  const ask = coalesce(run, 5)
  const answers = numbers(1, 6).map(ask)
  ;(await nth(0)).answer()
  ;(await nth(1)).fail(refused('one of them'))
  ;(await nth(2)).answer()
  const behind = ask(7)
  ;(await nth(3)).fail(gone())
  t.match(await outcomes([...answers, behind]), ['1', '2', ...Array(5).fill({ code: '57P01' })])
  t.same(asked(), [[1], [2, 3, 4, 5, 6], [2], [3]], 'not by each of them in turn')
})

t.test('beyond 4096 that wait, the next is told to come back', async (t) => {
  const { run, nth } = statements()
  const ask = coalesce(run, 10_000)
  const taken = numbers(0, 4096).map(ask)
  await t.rejects(ask(-1), new AuthError('unavailable', { retryAfterSeconds: 1 }))
  ;(await nth(0)).answer()
  ;(await nth(1)).answer()
  t.equal((await outcomes(taken)).filter((outcome) => typeof outcome === 'string').length, 4097)
  const after = ask(1)
  ;(await nth(2)).answer()
  t.equal(await after, '1', 'and when they are through there is room again')
})

t.test('whoever stops waiting for the answer changes nothing for the others', async (t) => {
  const { run, asked, nth } = statements()
  const ask = coalesce(run, 10)
  const first = ask(1)
  const patient = ask(2)
  const left = ask(3).then(() => {
    throw new Error('nobody is there any more')
  })
  const last = ask(4)
  ;(await nth(0)).answer()
  ;(await nth(1)).answer()
  t.same(await outcomes([first, patient, last]), ['1', '2', '4'])
  await t.rejects(left)
  t.same(asked(), [[1], [2, 3, 4]])
})
