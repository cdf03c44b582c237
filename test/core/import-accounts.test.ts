import t from 'tap'
import { importAccounts } from '../../src/core/import-accounts.ts'
import { fromDjango } from '../../src/core/move-from-django.ts'
import type { MoveStore, Moving, Placement } from '../../src/core/move-ports.ts'

const CHOICES = { trustsEmails: true, staffRole: 'staff', superuserRole: 'admin' }
const PLACED: Placement = {
  outcome: 'imported',
  usernameShared: false,
  emailShared: false,
  unreachable: false,
}
const quiet = { remark() {}, progress() {} }

const user = (id: number) => fromDjango({ id: String(id), username: `user${id}`, password: '!' }, CHOICES)

t.test('memory holds two batches, however many there are', async (t) => {
  let read = 0
  let placed = 0
  let most = 0
  async function* source(): AsyncGenerator<Moving[]> {
    for (; read < 500; ) {
      read += 1
      most = Math.max(most, read - placed)
      yield [user(read)]
    }
  }
  const store: MoveStore = {
    async place(accounts) {
      await new Promise((resolve) => setImmediate(resolve))
      placed += 1
      return accounts.map(() => PLACED)
    },
    advanceIds: async () => undefined,
  }
  const tally = await importAccounts(store, source(), quiet)
  t.match(tally, { read: 500, imported: 500, present: 0, refused: 0 })
  t.ok(most <= 2, `${most}`)
})

t.test(
  'a source that fails ends the import after what it gave, and a store that fails at once',
  async (t) => {
    const seen: number[] = []
    const store: MoveStore = {
      async place(accounts) {
        for (const { id } of accounts) {
          if (id === 30) throw new Error('no room')
          seen.push(id)
        }
        return accounts.map(() => PLACED)
      },
      advanceIds: async () => undefined,
    }
    async function* source(ids: readonly number[]): AsyncGenerator<Moving[]> {
      for (const id of ids) yield [user(id)]
      throw new Error('cut off')
    }
    await t.rejects(importAccounts(store, source([1, 2]), quiet), { message: 'cut off' })
    t.strictSame(seen, [1, 2])
    await t.rejects(importAccounts(store, source([3, 30, 31]), quiet), { message: 'no room' })
    t.strictSame(seen, [1, 2, 3])
  },
)

t.test('a row that is none is told and not placed, and the others keep their order', async (t) => {
  const told: string[] = []
  const asked: number[][] = []
  const store: MoveStore = {
    async place(accounts) {
      asked.push(accounts.map(({ id }) => id))
      return accounts.map(({ id }) => ({ ...PLACED, outcome: id === 2 ? 'id_taken' : 'imported' }))
    },
    advanceIds: async () => undefined,
  }
  async function* source(): AsyncGenerator<Moving[]> {
    const rows = [
      { id: 'x', username: 'a' },
      { id: '0', username: 'b' },
      { id: '9', username: '', email: '' },
    ]
    const odd = rows.map((row) => fromDjango(row, CHOICES))
    yield [...odd, user(1), user(2), user(1), user(3)]
  }
  const listener = { ...quiet, remark: (id: string, remark: string) => void told.push(`${id} ${remark}`) }
  const tally = await importAccounts(store, source(), listener)
  t.match(tally, { read: 7, imported: 2, refused: 5 })
  t.strictSame(asked, [[1, 2, 3]])
  t.strictSame(told, [
    'x malformed',
    '0 malformed',
    '9 no_username',
    '1 password_unusable',
    '2 password_unusable',
    '2 id_taken',
    '1 id_repeated',
    '3 password_unusable',
  ])
})
