import { createHash } from 'node:crypto'
import bcrypt from 'bcrypt'
import { Piscina } from 'piscina'
import t from 'tap'
import { AuthError } from '../../src/core/errors.ts'
import { assertPasswordSize, createPasswords } from '../../src/core/password.ts'
import { PASSWORD_MAX_BYTES } from '../../src/core/policy.ts'
import type { BcryptPool, Checked, PasswordHash } from '../../src/core/ports.ts'

/** As cheap as bcrypt gets. */
const COST = 4

const threads = new Piscina<unknown, never>({
  filename: new URL('../../src/core/bcrypt-worker.js', import.meta.url).href,
  execArgv: [],
  maxThreads: 1,
})
t.teardown(() => threads.destroy())

interface Done {
  /** What bcrypt was asked to compare with; other kinds by their name. */
  readonly hash: string
  readonly rounds: number
}

/** The worker of the service, on a thread of its own, with a memory of what it was asked to do. */
function watchedPool(): BcryptPool & { readonly compared: Done[]; spent: number } {
  const compared: Done[] = []
  return {
    compared,
    spent: 0,
    hash: (input, cost) => threads.run({ input, cost }),
    async check(task) {
      const checked: Checked = await threads.run(task)
      const { against } = task
      for (const _ of task.inputs) {
        compared.push({
          hash: against.kind === 'bcrypt' ? against.hash : against.kind,
          rounds: against.kind === 'bcrypt' ? 2 ** against.cost : 0,
        })
        if (checked.matches) break
      }
      if (!checked.matches) this.spent += task.roundsOtherwise
      return checked
    },
  }
}

const WELL_FORMED = /^\$2b\$\d\d\$[./A-Za-z0-9]{53}$/

/** Rounds of bcrypt that the checks took: the time they take on any machine. */
function workOf({ compared, spent }: ReturnType<typeof watchedPool>): number {
  return compared.reduce((sum, { rounds }) => sum + rounds, spent)
}

const pool = watchedPool()
const passwords = createPasswords(pool, COST)
const stored = (text: string) => text as PasswordHash

const E_COMPOSED = 'caf\u00e9 noir'
const E_DECOMPOSED = 'cafe\u0301 noir'

t.test('the password that was hashed is verified, another is not', async (t) => {
  const hash = await passwords.hash('correct horse battery staple')
  t.ok(await passwords.verify('correct horse battery staple', hash))
  t.notOk(await passwords.verify('correct horse battery stapler', hash))
  t.notOk(await passwords.verify('Correct horse battery staple', hash))
  t.notOk(await passwords.verify('', hash))
  t.not(await passwords.hash('correct horse battery staple'), hash, 'every hash has a salt of its own')
})

t.test('no byte of a long or non-ASCII password is ignored', async (t) => {
  const pairs: [promise: string, one: string, other: string][] = [
    ['the 73rd byte', `${'a'.repeat(72)}X`, `${'a'.repeat(72)}Y`],
    ['a length beyond 72', 'a'.repeat(72), 'a'.repeat(73)],
    ['what follows 18 emoji', `${'\u{1f600}'.repeat(18)}X`, `${'\u{1f600}'.repeat(18)}Y`],
    ['a character across byte 72', `${'a'.repeat(71)}\u00e9`, `${'a'.repeat(71)}\u00e8`],
    ['what follows a NUL', 'ab\0cd', 'ab\0zz'],
    ['a NUL and what follows', 'ab', 'ab\0zz'],
    ['a NUL at the end', 'ab', 'ab\0'],
    ['a NUL at the start', '\0ab', '\0cd'],
    ['a space at the end', 'open sesame', 'open sesame '],
    ['a letter that only looks alike', 'p\u0430ssword', 'password'],
    ['a compatibility form: NFC is not NFKC', '\ufb01sh and chips', 'fish and chips'],
    [
      'the last of the bytes allowed',
      `${'a'.repeat(PASSWORD_MAX_BYTES - 1)}X`,
      `${'a'.repeat(PASSWORD_MAX_BYTES - 1)}Y`,
    ],
  ]
  for (const [promise, one, other] of pairs) {
    const hash = await passwords.hash(one)
    t.ok(await passwords.verify(one, hash), `${promise}: itself`)
    t.notOk(await passwords.verify(other, hash), `${promise}: the other`)
  }
})

t.test('a password typed on another keyboard is the same password, at every door', async (t) => {
  t.not(E_COMPOSED, E_DECOMPOSED)
  t.ok(await passwords.verify(E_DECOMPOSED, await passwords.hash(E_COMPOSED)), 'hashed composed')
  t.ok(await passwords.verify(E_COMPOSED, await passwords.hash(E_DECOMPOSED)), 'hashed decomposed')
  const sized = (password: string) => () => assertPasswordSize('password', password)
  t.doesNotThrow(sized('\u00e9'.repeat(PASSWORD_MAX_BYTES / 2)))
  t.doesNotThrow(sized('e\u0301'.repeat(PASSWORD_MAX_BYTES / 2)), 'measured alike when presented')
})

t.test('hashes are in the encoding of Django, over the hexadecimal SHA-256', async (t) => {
  const hash = await passwords.hash('correct horse battery staple')
  t.match(hash, /^bcrypt_sha256\$\$2b\$04\$[./A-Za-z0-9]{53}$/)
  const hex = createHash('sha256').update('correct horse battery staple').digest('hex')
  t.ok(await bcrypt.compare(hex, hash.slice('bcrypt_sha256$'.length)), 'as Django would verify it')
})

t.test('hashes made by Django 5.2 (BCryptSHA256PasswordHasher) are verified', async (t) => {
  const made: [password: string, hash: string][] = [
    [
      'correct horse battery staple',
      'bcrypt_sha256$$2b$04$kzdBcy4e1UtdfV9AzkJsG.E/BtniY2Xo8ic.N7dN.nR8xvrPn9qB2',
    ],
    [
      'p\u00e4ssw\u00f6rd-\u00df-\u5bc6\u7801-\u{1f600}',
      'bcrypt_sha256$$2b$04$SS9BdIpl6OLELU1nKAqZw.uRIwTM5oaTKthFQVey6KdAmKxOce2Jm',
    ],
    ['a'.repeat(100), 'bcrypt_sha256$$2b$04$WpOfzvouZwLastlikDYKseFh2akWJ96wFxXGB/34bgRAuI2CfhzZm'],
    ['l\u00e8tmein', 'bcrypt_sha256$$2b$05$abcdefghijklmnopqrstuuaQz6CVhbgRiZmnmiNLc9bv5cauhFkti'],
  ]
  for (const [password, hash] of made) {
    t.ok(await passwords.verify(password, stored(hash)), password)
    t.notOk(await passwords.verify(`${password}!`, stored(hash)), `${password}!`)
  }
})

t.test(
  'where there is no hash a real compare against a well-formed decoy is paid for, at the cost in force',
  async (t) => {
    for (const cost of [4, 5, 10]) {
      const pool = watchedPool()
      t.notOk(await createPasswords(pool, cost).verify('whatever it is', undefined))
      t.equal(pool.compared.length, 1, 'one compare')
      const decoy = pool.compared[0]?.hash ?? ''
      t.match(decoy, /^\$2b\$\d\d\$[./A-Za-z0-9]{53}$/)
      t.equal(bcrypt.getRounds(decoy), cost)
      t.equal(decoy.length, 60)
    }
    const one = watchedPool()
    const other = watchedPool()
    await createPasswords(one, COST).verify('', undefined)
    await createPasswords(other, COST).verify('', undefined)
    t.not(one.compared[0]?.hash, other.compared[0]?.hash, 'every process has a decoy of its own')
  },
)

t.test('a malformed or unknown hash matches nothing and costs what the decoy costs', async (t) => {
  const genuine = (await passwords.hash('password')).slice('bcrypt_sha256$'.length)
  const foreign = [
    '',
    '!',
    '!unusablenKd3wQ0ZQb',
    'bcrypt_sha256$',
    'bcrypt_sha256$$2b$04$short',
    `bcrypt_sha256$${genuine.slice(0, -1)}`,
    `bcrypt_sha256$${genuine}a`,
    `bcrypt_sha256$${genuine}\n`,
    `bcrypt_sha256$${genuine.replace('$04$', '$4$')}`,
    `bcrypt_sha256${genuine}`,
    `BCRYPT_SHA256$${genuine}`,
    `bcrypt_sha256$${genuine.replace('$04$', '$03$')}`,
    `bcrypt_sha256$${genuine.replace('$04$', '$16$')}`,
    `bcrypt_sha256$${genuine.replace('$04$', '$31$')}`,
    genuine,
    'md5$salt$5f4dcc3b5aa765d61d8327deb882cf99',
    'password',
  ]
  for (const hash of foreign) {
    const pool = watchedPool()
    t.notOk(await createPasswords(pool, COST).verify('password', stored(hash)), JSON.stringify(hash))
    t.match(pool.compared, [{ hash: WELL_FORMED }], 'compared with a decoy, once')
    t.equal(workOf(pool), 2 ** COST, 'at the cost in force')
  }
})

t.test(
  'a wrong password costs what an unknown account costs, also where the hash is from cheaper days',
  async (t) => {
    for (const cost of [4, 5, 6, 7]) {
      const pool = watchedPool()
      const hash = await createPasswords(pool, cost).hash('password')
      t.notOk(await createPasswords(pool, 7).verify('wrong', hash), `made at ${cost}`)
      t.equal(workOf(pool), 2 ** 7)
      t.ok(await createPasswords(pool, 7).verify('password', hash), 'and the right one is verified')
    }
  },
)

t.test('a hash is not verified by another that bcrypt was made to match', async (t) => {
  const generous: BcryptPool = { hash: bcrypt.hash, check: async () => ({ matches: true, ms: 1 }) }
  const passwords = createPasswords(generous, COST)
  t.notOk(await passwords.verify('x', undefined), 'a match with the decoy is no match')
  t.notOk(await passwords.verify('x', stored('!')))
})

t.test('a hash is outdated when its cost or its algorithm is not the one in force', async (t) => {
  t.notOk(passwords.isOutdated(await passwords.hash('password')))
  t.ok(createPasswords(pool, COST + 1).isOutdated(await passwords.hash('password')), 'too cheap')
  t.ok(passwords.isOutdated(await createPasswords(pool, COST + 1).hash('password')), 'too dear')
  for (const hash of ['', '!', 'md5$salt$hash', 'bcrypt_sha256$$2b$04$short'])
    t.ok(passwords.isOutdated(stored(hash)), hash)
})

t.test('a pool that is full is told as it is', async (t) => {
  const full = () => Promise.reject(new AuthError('unavailable', { retryAfterSeconds: 1 }))
  const passwords = createPasswords({ hash: full, check: full }, COST)
  await t.rejects(passwords.hash('password'), { code: 'unavailable' })
  await t.rejects(passwords.verify('password', undefined), { code: 'unavailable' })
})

t.test('a presented password over the limit is an error of its field, before anything is hashed', (t) => {
  t.doesNotThrow(() => assertPasswordSize('password', 'a'.repeat(PASSWORD_MAX_BYTES)))
  t.doesNotThrow(() => assertPasswordSize('password', ''), 'a short one may be somebody\u2019s')
  t.throws(() => assertPasswordSize('new_password', 'a'.repeat(PASSWORD_MAX_BYTES + 1)), {
    code: 'validation_failed',
    fields: { new_password: [/too long/] },
  })
  t.end()
})
