import fc from 'fast-check'
import t from 'tap'
import { keptForm } from '../../src/core/identity.ts'
import { requestsAdmitted, somebody } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import type { Answer } from '../helpers/client.ts'
import { ENCODINGS, get, send, text } from '../helpers/client.ts'

/** In the manner of the Big List of Naughty Strings: what has broken somebody's program before. */
const NAUGHTY = [
  ...[
    '',
    ' ',
    '  ',
    '\t',
    '\n',
    '\r\n',
    '\u00a0',
    '\u2028',
    '\u2029',
    '\ufeff',
    '\u200b',
    '\u200e',
    '\u180e',
    '\u00ad',
  ],
  ...[
    'undefined',
    'undef',
    'null',
    'NULL',
    '(null)',
    'nil',
    'NIL',
    'true',
    'false',
    'True',
    'None',
    'hasOwnProperty',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'then',
    '\\',
    '\\\\',
    '0',
    '1',
    '1.00',
    '$1.00',
    '1/2',
    '1E2',
    '-1',
    '-0',
  ],
  ...[
    'NaN',
    'Infinity',
    '-Infinity',
    '0x0',
    '0xffffffff',
    '1e1000',
    '9'.repeat(96),
    '1\u00a0000',
    '\u0661\u0662\u0663',
  ],
  ...[
    ",./;'[]\\-=",
    '<>?:"{}|_+',
    '!@#$%^&*()`~',
    '\u03a9\u2248\u00e7\u221a\u222b\u02dc\u00b5\u2264',
    '\u0401\u0402',
  ],
  ...[
    '\u2070\u2074\u2075',
    '\u2080\u2081',
    '\u0e14\u0e49\u0e49\u0e49\u0e47\u0e47',
    "'",
    '"',
    "''",
    "'\"'",
    '\u2018\u2019',
  ],
  ...[
    '\u7530\u4e2d\u3055\u3093\u306b',
    '\u548c\u88fd\u6f22\u8a9e',
    '\uc0ac\ud68c\uacfc\ud559\uc6d0',
    '\u{20bb7}\u91ce\u5c4b',
    '\u0130',
    '\u0131',
  ],
  ...[
    '\u00df',
    '\u1e9e',
    '\u03c2',
    '\ufb01',
    '\u212a',
    '\u017f',
    '\u0149',
    '\u01c5',
    '\u023a',
    '\u1f88',
    '\u0345',
    '\u{1d504}',
  ],
  ...[
    '\u{1f60d}',
    '\u{1f469}\u{1f3fd}',
    '\u{1f468}\u200d\u{1f469}\u200d\u{1f466}',
    '\u{1f1fa}\u{1f1f8}',
    '1\ufe0f\u20e3',
    '\u2764\ufe0f',
  ],
  ...[
    '\u062b\u0645 \u0646\u0641\u0633',
    '\u0628\u0650\u0633\u0652\u0645\u0650',
    '\u0639\u0644\u06cc\u200c\u0631\u0636\u0627',
    '\u05d1\u05bc\u05b0',
  ],
  ...[
    '\u202atest\u202a',
    '\u202etest',
    '\u2066test\u2067',
    'a\u034f',
    `Z${'\u0300\u0301\u0302'.repeat(20)}algo`,
    '\u0338\u0338',
  ],
  ...[
    '\ufffd',
    '\ufffe',
    '\uffff',
    '\ue000',
    '\u{10ffff}',
    '\u{e0001}',
    '\u3164',
    '\u115f\u1160',
    '\u2800',
    '\u0001',
    '\u001b[31m',
    '\u007f',
  ],
  ...[
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    'javascript:alert(1)',
    '<a href="\\x0Bjavascript:x">',
  ],
  ...[
    '1;DROP TABLE users',
    "1'; DROP TABLE users-- 1",
    "' OR 1=1 -- 1",
    "' OR '1'='1",
    '%',
    '_',
    '%_%',
    "E'\\\\x'",
  ],
  ...[
    '--',
    '--version',
    '$USER',
    '/dev/null; touch /tmp/x',
    '`touch /tmp/x`',
    '$(touch /tmp/x)',
    '@{[system "id"]}',
  ],
  ...[
    '{0}',
    '%s%s%s%n',
    '%d',
    '%x',
    '{{7*7}}',
    `\${7*7}`,
    '#{7*7}',
    '<%= 7*7 %>',
    '{% now %}',
    `\${jndi:ldap://x/a}`,
  ],
  ...[
    '../../../etc/passwd',
    'file:///etc/passwd',
    'CON',
    'PRN',
    'AUX',
    'DCC SEND STARTKEYLOGGER 0 0 0',
    '() { :;}; id',
  ],
  ...[
    'Scunthorpe General Hospital',
    'a\r\nBcc: eve@example.org',
    'a%0d%0aBcc:e',
    '=1+1',
    '+1+1',
    '@SUM(1+1)',
    '-2+3',
  ],
  ...[
    'a@b',
    'a@b.c,d@e.f',
    'Ada <ada@example.org>',
    'x'.repeat(400),
    '\u{1f600}'.repeat(150),
    '\u00e9'.repeat(127),
  ],
  ...[
    '[]',
    '{}',
    '["a"]',
    '{"$ne":""}',
    '[object Object]',
    '\\u0041',
    '&lt;',
    '&amp;#39;',
    '%41',
    '%c0%ae',
    '%u0041',
  ],
]

const FIELDS = ['username', 'email', 'password', 'first_name', 'city'] as const
type Field = (typeof FIELDS)[number]

/** Registers somebody with this text in one field. */
async function registerWith(
  service: TestApp,
  field: Field,
  value: string,
  encoding: (typeof ENCODINGS)[number] = 'json',
) {
  const { username, ...rest } = somebody()
  // Of another domain than the strings have, to which a password would be like by chance.
  const person = { ...rest, username, email: `${username}@quick.test`, [field]: value }
  return { person, answer: await send('POST', `${service.url}/register`, person, { encoding }) }
}

/** What was sent, as it comes back; names and addresses in NFC. */
function cameBack({ body }: Answer, field: Field): unknown {
  return field === 'city' ? (body['profile'] as Record<string, unknown>)['city'] : body[field]
}

/** Nothing, or what broke the promise: unchanged, or refused for this field. */
async function broken(service: TestApp, field: Field, value: string): Promise<string | undefined> {
  const { person, answer } = await registerWith(service, field, value)
  const what = `${field} ${JSON.stringify(value).slice(0, 60)}: ${answer.status}`
  if (answer.status === 400) {
    const errors = (answer.body['errors'] ?? {}) as Record<string, unknown>
    const isTold = answer.body['code'] === 'malformed_body' || field in errors
    return isTold ? undefined : `${what} ${JSON.stringify(answer.body)}`
  }
  if (answer.status !== 201) return what
  if (field !== 'password') {
    const expected = field === 'city' ? value : keptForm(value)
    if (cameBack(answer, field) !== expected)
      return `${what} came back as ${JSON.stringify(cameBack(answer, field))}`
  }
  const { username, password } = person
  const signedIn = await send('POST', `${service.url}/token`, { username, password })
  if (signedIn.status !== 200) return `${what}, but signing in ${signedIn.status}`
  const { body } = await get(`${service.url}/user`, text(signedIn, 'access'))
  return body['username'] === keptForm(username)
    ? undefined
    : `${what}, but /user has ${JSON.stringify(body['username'])}`
}

t.test('every naughty string comes back unchanged, or is refused by name, in every field', async (t) => {
  const service = await startApp(t, { EMAIL_VERIFICATION: 'off' })
  for (const field of FIELDS) {
    const found: (string | undefined)[] = []
    for (let from = 0; from < NAUGHTY.length; from += 12) {
      const some = NAUGHTY.slice(from, from + 12)
      found.push(...(await Promise.all(some.map((value) => broken(service, field, value)))))
    }
    t.same(
      found.filter((each) => each !== undefined),
      [],
      `${NAUGHTY.length} strings as ${field}`,
    )
  }
  t.equal((await get(`${service.url}/health/ready`)).status, 200)
})

t.test('so does whatever Unicode can form', async (t) => {
  const service = await startApp(t, { EMAIL_VERIFICATION: 'off' })
  const unicode = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.string({ unit: 'grapheme', minLength: 8, maxLength: 12 }),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...FIELDS), unicode, async (field, value) => {
      const what = await broken(service, field, value)
      if (what !== undefined) throw new Error(what)
    }),
    { numRuns: 300 },
  )
})

t.test('the three encodings agree on what they let in', async (t) => {
  const service = await startApp(t, { EMAIL_VERIFICATION: 'off' })
  // Line breaks are CRLF in a form (HTML, "form submission"), and blank texts may be left out by it.
  const values = NAUGHTY.filter((value) => !/[\r\n]/.test(value))
  for (const field of ['password', 'city'] as const) {
    const differing: string[] = []
    for (let from = 0; from < values.length; from += 6) {
      await Promise.all(
        values.slice(from, from + 6).map(async (value) => {
          const answers = await Promise.all(
            ENCODINGS.map((encoding) => registerWith(service, field, value, encoding)),
          )
          const told = new Set(
            answers.map(({ answer }) => `${answer.status} ${JSON.stringify(answer.body['errors'])}`),
          )
          if (told.size !== 1) differing.push(`${JSON.stringify(value)} ${[...told].join(' | ')}`)
        }),
      )
    }
    t.same(differing, [], field)
  }
})

t.test('at sign-in they are told nothing but that they do not fit', async (t) => {
  const service = await startApp(t)
  for (const field of ['username', 'email', 'password'] as const) {
    const statuses = new Set<number>()
    for (const value of NAUGHTY) {
      const credentials = field === 'email' ? { password: 'x' } : { username: 'x', password: 'x' }
      const answer = await send('POST', `${service.url}/token`, { ...credentials, [field]: value })
      statuses.add(answer.status)
    }
    t.same(
      [...statuses].filter((status) => ![400, 401].includes(status)),
      [],
      field,
    )
  }
})

t.test(
  'a look-alike of an address is another address or none, and letters go to the stored one',
  async (t) => {
    const service = await startApp(t)
    const { pool } = service.app.database
    const owner = { ...somebody(), email: 'mike@example.org' }
    await send('POST', `${service.url}/register`, owner)
    await pool.query('UPDATE users SET email_verified_at = now(), activated_at = now()')
    for (const [email, status] of [
      ['mi\u212ae@example.org', 200],
      ['MIKE@EXAMPLE.ORG', 200],
      ['m\u0131ke@example.org', 200],
      ['m\u0456ke@example.org', 200],
      ['mike@ex\u0430mple.org', 400],
      ['\uff4d\uff49ke@example.org', 400],
      ['mike@example.org\u200b', 400],
    ] as const) {
      t.equal((await send('POST', `${service.url}/request-reset`, { email })).status, status, email)
    }
    // Whose a request is, is found out a moment later.
    await requestsAdmitted(service)
    const asked = await pool.query(`SELECT count(*)::int AS n FROM events WHERE kind = 'reset_requested'`)
    t.same(
      asked.rows,
      [{ n: 2 }],
      'the Kelvin sign and the capitals are the same letters, the others are not',
    )
    const { rows } = await pool.query(
      'SELECT DISTINCT coalesce(o.address, u.email) AS address FROM outbox o JOIN users u ON u.id = o.user_id',
    )
    t.same(rows, [{ address: 'mike@example.org' }])
  },
)
