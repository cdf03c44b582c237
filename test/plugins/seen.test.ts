import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import t from 'tap'
import { v7 as uuidV7 } from 'uuid'
import { databasePlugin } from '../../src/plugins/database.ts'
import { metricsPlugin } from '../../src/plugins/metrics.ts'
import { seenPlugin } from '../../src/plugins/seen.ts'
import { markSeen } from '../../src/store/seen.ts'
import type { TestStore } from '../helpers/store.ts'
import {
  accountIn,
  beginElsewhere,
  countUpdates,
  IDLE_TTL_SECONDS,
  openStore,
  sessionIn,
} from '../helpers/store.ts'
import { until } from '../helpers/until.ts'

/** A living session at this generation. */
async function sessionAt(stores: TestStore, generation: number, userId?: number): Promise<string> {
  const id = await sessionIn(stores, userId === undefined ? {} : { userId })
  await stores.pool.query('UPDATE sessions SET generation = $1 WHERE id = $2', [generation, id])
  return id
}

async function seenOf({ pool }: TestStore, id: string): Promise<number | undefined> {
  const { rows } = await pool.query<{ seen: number }>(
    'SELECT seen_generation AS seen FROM sessions WHERE id = $1',
    [id],
  )
  return rows[0]?.seen
}

async function untilSeen(stores: TestStore, id: string, generation: number): Promise<void> {
  await until(`generation ${generation} is noted`, async () => (await seenOf(stores, id)) === generation)
}

/** The plugin over a database of its own. */
async function startSeen(t: Parameters<typeof openStore>[0]) {
  const stores = await openStore(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(metricsPlugin)
  await app.register(databasePlugin, {
    url: stores.url,
    poolMax: 10,
    refreshIdleTtlSeconds: IDLE_TTL_SECONDS,
  })
  await app.register(seenPlugin)
  await app.ready()
  return { app, stores }
}

t.test('what was seen is raised, never lowered, and never above the generation', async (t) => {
  const stores = await openStore(t)
  const [low, high, ahead, same] = [
    await sessionAt(stores, 5),
    await sessionAt(stores, 5),
    await sessionAt(stores, 5),
    await sessionAt(stores, 5),
  ]
  await stores.pool.query('UPDATE sessions SET seen_generation = 4 WHERE id = $1', [high])
  await markSeen(
    stores.database,
    new Map([
      [low, 3],
      [high, 3],
      [ahead, 9],
      [same, 5],
      [randomUUID(), 1],
    ]),
  )
  t.same(await Promise.all([low, high, ahead, same].map((id) => seenOf(stores, id))), [3, 4, 5, 5])
})

t.test('twenty writers at once leave the highest behind, and do not wait for each other', async (t) => {
  const stores = await openStore(t)
  const ids = await Promise.all(Array.from({ length: 10 }, () => sessionAt(stores, 100)))
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      markSeen(
        stores.database,
        new Map((index % 2 === 0 ? ids : ids.toReversed()).map((id) => [id, 40 + index])),
      ),
    ),
  )
  await markSeen(stores.database, new Map(ids.map((id) => [id, 59])))
  t.same(await Promise.all(ids.map((id) => seenOf(stores, id))), Array(10).fill(59))
  const holder = await beginElsewhere(t, stores.pool, 'SELECT FROM sessions WHERE id = $1 FOR UPDATE', [
    ids[0],
  ])
  await markSeen(stores.database, new Map(ids.map((id) => [id, 60])))
  t.same(await Promise.all(ids.map((id) => seenOf(stores, id))), [59, ...Array(9).fill(60)])
  await holder.rollback()
})

t.test('notes are written together, a moment later and once for each generation', async (t) => {
  const { app, stores } = await startSeen(t)
  const ids = await Promise.all(Array.from({ length: 50 }, () => sessionAt(stores, 3)))
  const next = await sessionAt(stores, 1)
  const updates = await countUpdates(stores.pool, 'sessions')
  for (const generation of [1, 3, 2, 3]) for (const id of ids) app.seenGenerations.note(id, generation)
  t.equal(await updates(), 0, 'not on the way of the request')
  for (const id of ids) await untilSeen(stores, id, 3)
  t.equal(await updates(), 1)

  for (const id of ids) app.seenGenerations.note(id, 3)
  app.seenGenerations.note(next, 1)
  await untilSeen(stores, next, 1)
  t.equal(await updates(), 2, 'and a poller costs nothing more')
})

t.test('more than a thousand notes go in more than one statement', async (t) => {
  const { app, stores } = await startSeen(t)
  const userId = await accountIn(stores)
  const last = await sessionAt(stores, 0, userId)
  const updates = await countUpdates(stores.pool, 'sessions')
  for (let note = 0; note < 1500; note += 1) app.seenGenerations.note(uuidV7(), 0)
  app.seenGenerations.note(last, 0)
  await untilSeen(stores, last, 0)
  t.equal(await updates(), 2)
})

t.test('notes that are not written yet are written when the service ends', async (t) => {
  const { app, stores } = await startSeen(t)
  const id = await sessionAt(stores, 1)
  app.seenGenerations.note(id, 1)
  await app.close()
  t.equal(await seenOf(stores, id), 1)
})

t.test('a note that was lost is made again by the next call of the same client', async (t) => {
  const { app, stores } = await startSeen(t)
  let warnings = 0
  app.log.warn = () => (warnings += 1)
  const id = await sessionAt(stores, 1)
  await stores.pool.query('ALTER TABLE sessions RENAME TO hidden')
  app.seenGenerations.note(id, 1)
  await until('it warns', () => warnings > 0)
  await stores.pool.query('ALTER TABLE hidden RENAME TO sessions')
  t.equal(await seenOf(stores, id), -1)
  app.seenGenerations.note(id, 1)
  await untilSeen(stores, id, 1)

  const held = await sessionAt(stores, 1)
  const other = await sessionAt(stores, 1)
  const holder = await beginElsewhere(t, stores.pool, 'SELECT FROM sessions WHERE id = $1 FOR UPDATE', [held])
  app.seenGenerations.note(held, 1)
  app.seenGenerations.note(other, 1)
  await untilSeen(stores, other, 1)
  t.equal(await seenOf(stores, held), -1, 'passed over, for somebody held the row')
  await holder.rollback()
  app.seenGenerations.note(held, 1)
  await untilSeen(stores, held, 1)
})
