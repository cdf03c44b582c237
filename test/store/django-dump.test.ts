import t from 'tap'
import type { DjangoUser } from '../../src/core/move-from-django.ts'
import { readDjangoDump } from '../../src/store/django-dump.ts'

async function read(lines: readonly string[], table = 'auth_user') {
  async function* source() {
    yield* lines
  }
  const dump = readDjangoDump(source(), table)
  const users: DjangoUser[] = []
  for await (const batch of dump.batches()) users.push(...batch)
  return { users, lastId: dump.lastId }
}

t.test('the user table is read out of a dump of everything, escapes and all', async (t) => {
  const { users, lastId } = await read([
    "SET client_encoding = 'UTF8';",
    'COPY public.blog_post (id, body) FROM stdin;',
    '1\tCOPY public.auth_user (id) FROM stdin;',
    '2\tINSERT INTO public.auth_user VALUES (1)',
    '\\.',
    'COPY public.auth_user (id, username, "password", email, last_login) FROM stdin;',
    '7\ta\\tb\\nc\\\\d\\r\t!\t\t\\N',
    '3\t\\\\N\t!\tx\t2024-01-02 03:04:05.678901+00',
    '\\.',
    "SELECT pg_catalog.setval('public.auth_user_id_seq', 41, true);",
    "SELECT pg_catalog.setval('public.blog_post_id_seq', 99, true);",
  ])
  t.strictSame(users, [
    { id: '7', username: 'a\tb\nc\\d\r', password: '!', email: '', last_login: null },
    { id: '3', username: '\\N', password: '!', email: 'x', last_login: '2024-01-02 03:04:05.678901+00' },
  ])
  t.equal(lastId, 41)
})

t.test(
  'another table is read by its name, with its schema or without, and no other that ends alike',
  async (t) => {
    const lines = [
      'COPY people.user (id) FROM stdin;',
      '1',
      '\\.',
      'COPY public.app_user (id) FROM stdin;',
      '2',
      '\\.',
    ]
    t.strictSame((await read(lines, 'user')).users, [{ id: '1' }])
    t.strictSame((await read(lines, 'people.user')).users, [{ id: '1' }])
    t.strictSame((await read(lines, 'app_user')).users, [{ id: '2' }])
  },
)

t.test('a dump of another form, or a part of one, is refused with what to do', async (t) => {
  const cases: [lines: string[], message: RegExp][] = [
    [['PGDMP\u0001\u000e'], /pg_restore --file/],
    [["INSERT INTO public.auth_user VALUES (1, 'x');"], /without, so that it has COPY/],
    [['COPY public.shop (id) FROM stdin;', '1', '\\.'], /no data of a table auth_user.*--table/s],
    [['COPY public.auth_user (id, username) FROM stdin;', '1\tada'], /ends in the middle/],
    [['COPY public.shop (id) FROM stdin;', '1'], /ends in the middle/],
    [["SET client_encoding = 'LATIN1';"], /--encoding=UTF8/],
    [['COPY public.auth_user (id, username) FROM stdin;', '1\tada\tmore', '\\.'], /not as many fields/],
    [[], /no data of a table/],
  ]
  for (const [lines, message] of cases) await t.rejects(read(lines), { name: 'MoveError', message })
})
