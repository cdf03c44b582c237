import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { signedIn, somebody } from '../helpers/accounts.ts'
import { startApp } from '../helpers/app.ts'
import type { Answer } from '../helpers/client.ts'
import { bearer, ENCODINGS, get, post, send } from '../helpers/client.ts'
import { WITH_SERVICE } from '../helpers/service-client.ts'
import { changedByDeeds } from '../helpers/stored.ts'

/** Groups G, I, J and K of abuse-cases.md, as far as no other test holds them: see README.md here. */

const service = await startApp(t, { EMAIL_VERIFICATION: 'off', ...WITH_SERVICE })
const { url } = service
const { pool } = service.app.database

const constant = ({ status, body }: Answer) => JSON.stringify([status, { ...body, request_id: '' }])

t.test('G21: what is not committed sends no letter', async (t) => {
  const person = await signedIn(service)
  // At COMMIT, as a database does that cannot serialize what it was told.
  await pool.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '40001'; END $$;
    CREATE CONSTRAINT TRIGGER refuse_at_commit AFTER INSERT OR UPDATE ON users DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION refuse()`)
  const change = { current_password: person.password, new_password: 'an entirely new pass phrase' }
  const answers = [
    await post(`${url}/register`, { ...somebody() }),
    await post(`${url}/change-password`, change, { headers: bearer(person.access) }),
  ]
  await pool.query('DROP TRIGGER refuse_at_commit ON users')
  for (const answer of answers) {
    t.match(answer, { status: 503, body: { code: 'unavailable' } })
    t.match(answer.headers.get('retry-after'), /^\d+$/)
  }
  const { rows } = await pool.query('SELECT count(*)::int AS letters FROM outbox')
  t.same(rows, [{ letters: 0 }])
  const { username, password } = person
  t.equal(
    (await post(`${url}/token`, { username, password })).status,
    200,
    'and the password is the one before',
  )
})

t.test('I5: an address of ten thousand nested groups is refused at once', async (t) => {
  const deep = [
    `${'g:'.repeat(5000)}a@example.org${';'.repeat(5000)}`,
    `${'('.repeat(7000)}a@example.org${')'.repeat(7000)}`,
    `${'<'.repeat(7000)}a@example.org`,
    `${'"'.repeat(7000)}@example.org`,
    `a@${'x.'.repeat(7000)}org`,
    `${'a.'.repeat(7000)}@example.org`,
  ]
  for (const email of deep) {
    for (const encoding of ENCODINGS) {
      const began = performance.now()
      const answers = await Promise.all([
        post(`${url}/register`, { ...somebody(), email }, { encoding }),
        post(`${url}/request-reset`, { email }, { encoding }),
      ])
      for (const { status } of answers)
        t.ok([400, 413].includes(status), `${email.slice(0, 5)} as ${encoding}: ${status}`)
      t.ok(performance.now() - began < 3000, 'at once')
    }
  }
})

/** Whatever of these were ever part of a statement would end it, or wait, or change every row. */
const STATEMENTS = [
  "' OR 1=1--",
  "'; DROP TABLE users;--",
  "\\'; DELETE FROM sessions;--",
  "') OR pg_sleep(60) IS NULL--",
  "x' || (SELECT password_hash FROM users LIMIT 1) || '",
  '$1',
  '::text',
  '/*',
  '%',
]

t.test('J1: SQL is text, in every field, header, cookie, path and query', async (t) => {
  const person = await signedIn(service)
  const known = bearer(person.access)
  await post(`${url}/token`, { username: 'nobody', password: 'x' })
  const before = await changedByDeeds(pool)
  const asks: Record<string, (text: string) => Promise<Answer>> = {
    'username at /token': (text) => post(`${url}/token`, { username: text, password: 'x' }),
    'password at /token': (text) => post(`${url}/token`, { username: person.username, password: text }),
    'refresh at /refresh': (refresh) => post(`${url}/refresh`, { refresh }),
    'refresh at /logout': (refresh) => post(`${url}/logout`, { refresh }),
    'token at /verify-email': (token) => post(`${url}/verify-email`, { token }),
    'token at /reset': (token) => post(`${url}/reset`, { token, password: 'an entirely new pass phrase' }),
    'password at /change-email': (password) =>
      post(`${url}/change-email`, { email: somebody().email, password }, { headers: known }),
    'password at DELETE /user': (password) => send('DELETE', `${url}/user`, { password }, { headers: known }),
    'a User-Agent': (text) =>
      post(`${url}/token`, { username: 'x', password: 'x' }, { headers: { 'user-agent': text } }),
    'X-Forwarded-For': (text) =>
      post(`${url}/token`, { username: 'x', password: 'x' }, { headers: { 'x-forwarded-for': text } }),
    'a cookie': (text) => post(`${url}/refresh`, { refresh: 'x' }, { headers: { cookie: `a=${text}` } }),
    'an access token': (text) => get(`${url}/user`, text.replace(/[^\x21-\x7e]/g, '')),
    'a kid': (kid) => {
      const segment = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
      return get(
        `${url}/user`,
        `${segment({ alg: 'HS256', typ: 'at+jwt', kid })}.${segment({ sub: kid })}.AA`,
      )
    },
    'an id in the path': (text) =>
      send('DELETE', `${url}/sessions/${encodeURIComponent(text)}`, {}, { headers: known }),
    'a query of its own': (text) =>
      get(`${url}/user/events?before=${encodeURIComponent(text)}`, person.access),
    'an address of the mailbox': (text) => get(`${url}/dev/mailbox.json?to=${encodeURIComponent(text)}`),
  }
  for (const [where, asked] of Object.entries(asks)) {
    const harmless = constant(await asked('harmless'))
    for (const text of STATEMENTS) t.equal(constant(await asked(text)), harmless, `${where}: ${text}`)
  }
  t.same(await changedByDeeds(pool), before, 'no account has changed, and every session lives')
})

t.test('J2: no name in a statement comes from a request', async (t) => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  )
  const spelled = files.filter((name) =>
    /sql\.(?:raw|identifier)\(|\.as\((?!'\w+'\))/.test(readFileSync(`src/${name}`, 'utf8')),
  )
  t.same(spelled, ['store/sweep.ts'], 'which names tables of its own')
  const { access } = await signedIn(service)
  const plain = constant(await get(`${url}/user`, access))
  for (const query of ['sort=password_hash', 'fields=password_hash', 'order=1;--', 'select=*'])
    t.equal(constant(await get(`${url}/user?${query}`, access)), plain, query)
})

t.test('J4: an id that is no number, too large, negative or half a word is nobody', async (t) => {
  const { access } = await signedIn(service)
  const before = await changedByDeeds(pool)
  for (const id of ['x', '99999999999', '-1', '1e3', '%00', '%c0%80', '0', '9'.repeat(400)]) {
    const deleted = await send('DELETE', `${url}/sessions/${id}`, {}, { headers: bearer(access) })
    t.ok([400, 404].includes(deleted.status), `${id}: ${deleted.status}`)
    for (const path of [
      `/user/events?before=${id}`,
      `/user/events?limit=${id}`,
      `/errors/${id}`,
      `/user/${id}`,
    ]) {
      const { status } = await get(url + path, access)
      t.ok(
        status === 400 || status === 404 || (status === 200 && path.includes('limit')),
        `${path}: ${status}`,
      )
    }
  }
  t.same(await changedByDeeds(pool), before)
})

t.test('K2: an address in other letters is the same account, and spaces are no part of one', async (t) => {
  const person = somebody()
  t.equal((await post(`${url}/register`, { ...person })).status, 201)
  const again = (email: string, encoding: (typeof ENCODINGS)[number]) =>
    post(`${url}/register`, { ...somebody(), email }, { encoding })
  for (const encoding of ENCODINGS) {
    for (const email of [person.email, person.email.toUpperCase(), ` ${person.email} `, `${person.email} `])
      t.match(await again(email, encoding), { status: 400, body: { errors: { email: [/\w/] } } }, email)
    const { password } = person
    const { status } = await post(
      `${url}/token`,
      { email: person.email.toUpperCase(), password },
      { encoding },
    )
    t.equal(status, 200)
  }
})
