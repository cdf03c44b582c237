import { readFileSync } from 'node:fs'
import { Piscina } from 'piscina'
import t from 'tap'
import { createCheckBill } from '../../src/core/check-bill.ts'
import { kindOf, readHash } from '../../src/core/hash-form.ts'
import { createPasswords } from '../../src/core/password.ts'
import type { BcryptPool, PasswordHash } from '../../src/core/ports.ts'

/** As cheap as bcrypt gets. */
const COST = 4

interface Recorded {
  readonly kind: string
  readonly case: string
  readonly password: string
  readonly hash: PasswordHash
}

const { hashes }: { hashes: Recorded[] } = JSON.parse(
  readFileSync(new URL('../fixtures/django/hashes.json', import.meta.url), 'utf8'),
)

const threads = new Piscina<unknown, never>({
  filename: new URL('../../src/core/bcrypt-worker.js', import.meta.url).href,
  execArgv: [],
  maxThreads: 1,
})
t.teardown(() => threads.destroy())
const pool: BcryptPool = {
  hash: (input, cost) => threads.run({ input, cost }),
  check: (check) => threads.run(check),
}
const passwords = createPasswords(pool, COST)
const stored = (text: string) => text as PasswordHash

t.test('hashes recorded from Django are verified as stored, and no other password is', async (t) => {
  t.strictSame(
    [...new Set(hashes.map(({ kind }) => kind))].sort(),
    ['argon2', 'bcrypt', 'bcrypt_sha256', 'pbkdf2_sha1', 'pbkdf2_sha256', 'scrypt'],
    'every hasher that Django brings',
  )
  for (const { kind, case: name, password, hash } of hashes) {
    t.ok(await passwords.verify(password, hash), `${kind}, ${name}: itself`)
    // Those of the standard cost take half a second each.
    if (name !== 'standard')
      t.notOk(await passwords.verify(`!${password}`, hash), `${kind}, ${name}: another`)
    t.ok(name === 'standard' || passwords.isOutdated(hash) || kind === 'bcrypt_sha256', 'to be renewed')
  }
})

t.test(
  'a password that Django hashed as it was typed, not composed, is verified as it is typed',
  async (t) => {
    const decomposed = hashes.filter((recorded) => recorded.case === 'decomposed')
    t.equal(decomposed.length, 6)
    for (const { kind, password, hash } of decomposed) {
      t.not(password, password.normalize('NFC'))
      t.ok(await passwords.verify(password, hash), kind)
      t.notOk(await passwords.verify(password.normalize('NFC'), hash), `${kind}: as Django would refuse it`)
    }
  },
)

t.test('bcrypt without a digest ends at 72 bytes, as it does in Django', async (t) => {
  const long = hashes.find((recorded) => recorded.kind === 'bcrypt' && recorded.case === 'long')
  t.ok(await passwords.verify('a'.repeat(72), stored(long?.hash ?? '')))
  t.notOk(await passwords.verify('a'.repeat(71), stored(long?.hash ?? '')))
})

t.test('the name that PHP has for bcrypt is another name and no other hash', async (t) => {
  const { password = '', hash = '' } = hashes.find(({ kind }) => kind === 'bcrypt') ?? {}
  t.ok(await passwords.verify(password, stored(hash.replace('$2b$', '$2y$'))))
})

t.test('a row cannot ask for more time or memory than a check may take', (t) => {
  const b64 = (bytes: number) => Buffer.alloc(bytes, 1).toString('base64')
  const plain = (bytes: number) => b64(bytes).replace(/=+$/, '')
  const argon2 = (m: number, passes: number, lanes: number) =>
    `argon2$argon2id$v=19$m=${m},t=${passes},p=${lanes}$${plain(16)}$${plain(32)}`
  const allowed = [
    `pbkdf2_sha256$3000000$salt$${b64(32)}`,
    `scrypt$16384$salt$8$5$${b64(64)}`,
    `scrypt$131072$salt$8$1$${b64(64)}`,
    argon2(102_400, 2, 8),
    argon2(131_072, 8, 16),
  ]
  const refused = [
    `pbkdf2_sha256$3000001$salt$${b64(32)}`,
    `pbkdf2_sha256$999999999$salt$${b64(32)}`,
    `pbkdf2_sha256$0$salt$${b64(32)}`,
    `pbkdf2_sha256$-1$salt$${b64(32)}`,
    `pbkdf2_sha256$1e9$salt$${b64(32)}`,
    `pbkdf2_sha256$1000$salt$${b64(31)}`,
    `pbkdf2_sha1$1000$salt$${b64(32)}`,
    `pbkdf2_sha512$1000$salt$${b64(64)}`,
    `pbkdf2_sha256$1000$$${b64(32)}`,
    `pbkdf2_sha256$1000$${'s'.repeat(257)}$${b64(32)}`,
    `pbkdf2_sha256$1000$salt$${b64(32)}$more`,
    `scrypt$262144$salt$8$1$${b64(64)}`,
    `scrypt$16385$salt$8$5$${b64(64)}`,
    `scrypt$1$salt$8$5$${b64(64)}`,
    `scrypt$16384$salt$99999$1$${b64(64)}`,
    `scrypt$16384$salt$8$17$${b64(64)}`,
    `scrypt$131072$salt$8$9$${b64(64)}`,
    `scrypt$16384$salt$8$5$${b64(32)}`,
    argon2(131_073, 1, 1),
    argon2(4_294_967, 1, 1),
    argon2(102_400, 99, 8),
    argon2(102_400, 2, 17),
    argon2(8, 2, 8),
    `argon2$argon2id$v=20$m=1024,t=1,p=1$${plain(16)}$${plain(32)}`,
    `argon2$argon2id$v=19$m=1024,t=1,p=1$${plain(7)}$${plain(32)}`,
    `argon2$argon2id$v=19$m=1024,t=1,p=1$${plain(16)}$${plain(15)}`,
    `argon2$argon2x$v=19$m=1024,t=1,p=1$${plain(16)}$${plain(32)}`,
    `bcrypt$$2b$31$${'a'.repeat(53)}`,
    `bcrypt$$2x$04$${'a'.repeat(53)}`,
    '!',
    '!unusable',
    '',
    'md5$salt$5f4dcc3b5aa765d61d8327deb882cf99',
    'sha1$salt$5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8',
    'constructor$1$2$3',
  ]
  for (const hash of allowed) t.ok(readHash(stored(hash)), hash)
  for (const hash of refused) t.equal(readHash(stored(hash)), undefined, hash)
  t.end()
})

t.test('whatever stands in the row, a check answers, and says no', async (t) => {
  // Cut and changed at every place: what still reads as a hash is computed, what does not meets the decoy.
  for (const kind of ['pbkdf2_sha256', 'argon2', 'scrypt', 'bcrypt']) {
    const { hash = '' } = hashes.find((recorded) => recorded.kind === kind) ?? {}
    for (let at = 0; at < hash.length; at += 5) {
      for (const broken of [hash.slice(0, at), `${hash.slice(0, at)}\u0000${hash.slice(at + 1)}`])
        t.notOk(await passwords.verify('correct horse battery staplf', stored(broken)))
    }
  }
})

/** A pool that keeps book instead of hashing: times as they would be where one round of bcrypt takes 0.05 ms. */
function bookPool(msOf: (kind: string) => number) {
  const book = { ms: 0, goes: 0 }
  const pool: BcryptPool = {
    hash: async () => '',
    async check({ inputs, against, roundsOtherwise }) {
      const ms = against.kind === 'bcrypt' ? 2 ** against.cost * 0.05 : msOf(kindOf(against))
      book.ms += ms * inputs.length + roundsOtherwise * 0.05
      book.goes += 1
      return { matches: false, ms }
    },
  }
  return { pool, book }
}

t.test('a wrong password costs the same for every kind of hash, and for no account at all', async (t) => {
  const decomposed = 'cafe\u0301'
  const kinds: (PasswordHash | undefined)[] = [
    undefined,
    stored('!'),
    stored(`bcrypt_sha256$$2b$12$${'a'.repeat(53)}`),
    stored(`bcrypt_sha256$$2b$10$${'a'.repeat(53)}`),
    ...hashes.filter((recorded) => recorded.case === 'standard').map(({ hash }) => hash),
  ]
  for (const password of ['wrong', decomposed]) {
    for (const dearest of [90, 350]) {
      const { pool, book } = bookPool((kind) => (kind.startsWith('pbkdf2') ? dearest : 120))
      const passwords = createPasswords(pool, 12)
      // Each kind once, so that its price is known.
      for (const hash of kinds) await passwords.verify('first', hash)
      const costs = []
      for (const hash of kinds) {
        Object.assign(book, { ms: 0, goes: 0 })
        await passwords.verify(password, hash)
        t.equal(book.goes, 1, 'in one go')
        costs.push(Math.round(book.ms))
      }
      t.equal(new Set(costs).size, 1, `${costs.join(' ')} ms`)
    }
  }
})

t.test('a right password is not made to wait', async (t) => {
  const { password = '', hash } = hashes.find(({ kind }) => kind === 'scrypt') ?? {}
  const asked: number[] = []
  const watched: BcryptPool = {
    ...pool,
    check: (check) => {
      asked.push(check.inputs.length)
      return pool.check(check)
    },
  }
  t.ok(await createPasswords(watched, COST).verify(password, hash))
  t.strictSame(asked, [1])
})

t.test('one absurdly dear row does not make everybody as dear, and the book of kinds is bounded', (t) => {
  const bill = createCheckBill(12)
  bill.note({ kind: 'bcrypt', overDigest: true, cost: 12, hash: '' }, 200)
  t.equal(bill.owed(), 2 ** 12)
  const form = (iterations: number) =>
    ({ kind: 'pbkdf2', digest: 'sha256', iterations, salt: 's', expected: Buffer.alloc(32) }) as const
  bill.note(form(1), 400)
  t.equal(bill.owed(), 2 ** 13)
  bill.note(form(2), 60_000)
  t.equal(bill.owed(), 4 * 2 ** 12)
  for (let kind = 3; kind < 1000; kind += 1) bill.note(form(kind), 1)
  t.ok(bill.roundsOf(form(3)))
  t.equal(bill.roundsOf(form(999)), undefined)
  t.end()
})
