import { randomUUID } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { v7 as uuidV7 } from 'uuid'
import { createRevocationLog, RECORD_BYTES } from '../../src/core/revocation-log.ts'

/** Bytes in use after everything has been collected that can be. */
async function bytesInUse(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  // What a typed array held is given back by another thread, after the collection that found it unused.
  for (let round = 0; round < 4; round += 1) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function packed(entries: readonly (readonly [id: string, time: number])[]): Buffer {
  const records = Buffer.alloc(entries.length * RECORD_BYTES)
  for (const [index, [id, time]] of entries.entries()) {
    records.write(id.replaceAll('-', ''), index * RECORD_BYTES, 'hex')
    records.writeBigInt64BE(BigInt(time), index * RECORD_BYTES + 16)
  }
  return records
}

t.test(
  '100,000 revocations cost less than 20 MB, and are gone with their memory when they are forgotten',
  async (t) => {
    const before = await bytesInUse()
    const log = createRevocationLog()
    for (let count = 0; count < 100_000; count += 1) log.add(uuidV7(), count)
    const held = (await bytesInUse()) - before
    t.comment(`${(held / 1e6).toFixed(1)} MB`)
    t.ok(held < 20e6)
    t.equal(log.size, 100_000)
    log.forgetUntil(100_000)
    t.ok((await bytesInUse()) - before < 1e6)
    t.equal(log.size, 0)
  },
)

t.test('it knows what a plain list would know, in the order in which it was told', async (t) => {
  // Few enough ids that they come again, enough of them that the ring grows and shrinks.
  const ids = Array.from({ length: 5000 }, () => uuidV7())
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ add: fc.nat(ids.length - 1), count: fc.integer({ min: 1, max: 2500 }) }),
    },
    { weight: 3, arbitrary: fc.record({ forget: fc.integer({ min: 0, max: 6000 }) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.boolean(), (steps, inPacks) => {
      const log = createRevocationLog()
      let held: { id: string; at: number; position: number }[] = []
      let [last, time] = [0, 1_700_000_000_000]
      for (const each of steps) {
        if ('forget' in each) {
          const until = time - each.forget
          log.forgetUntil(until)
          const young = held.findIndex(({ at }) => at > until)
          held = young === -1 ? [] : held.slice(young)
          continue
        }
        const chosen = Array.from(
          { length: each.count },
          (_, index) => ids[(each.add + index) % ids.length] ?? '',
        )
        const entries = chosen.map((id, index) => [id, time + index] as const)
        time += entries.length
        const byId = new Map(held.map((entry) => [entry.id, entry]))
        for (const [id, at] of entries) {
          const known = byId.get(id)
          if (known !== undefined) known.at = at
          else {
            last += 1
            const entry = { id, at, position: last }
            held.push(entry)
            byId.set(id, entry)
          }
        }
        if (inPacks) log.addPacked(packed(entries))
        else for (const [id, at] of entries) log.add(id, at)
      }
      const expected = held.map(({ id, at }) => ({ sessionId: id, revokedAt: at }))
      t.strictSame([...log.after(0)], expected)
      const middle = held[Math.floor(held.length / 2)]
      if (middle !== undefined)
        t.strictSame([...log.after(middle.position)], expected.slice(Math.floor(held.length / 2) + 1))
      const inside = new Set(held.map(({ id }) => id))
      t.ok(ids.every((id) => log.has(id) === inside.has(id)))
      t.strictSame([log.size, log.last], [held.length, last])
    }),
    { numRuns: 60 },
  )
})

t.test('what is no session id is not held, and is nobody', async (t) => {
  const log = createRevocationLog()
  const id = randomUUID()
  log.add(id, 1)
  t.ok(log.has(id.toUpperCase()), 'either case is one id')
  for (const text of [
    '',
    'x'.repeat(36),
    id.slice(1),
    `${id}0`,
    id.replaceAll('-', '0'),
    id.replace(/.$/, 'g'),
    id.replace(/.$/, '/'),
    id.replace(/.$/, '@'),
  ]) {
    t.notOk(log.add(text, 1), text)
    t.notOk(log.has(text), text)
  }
  t.equal(log.size, 1)
})
