import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { readTemplates, TemplateError } from '../../src/mail/read-templates.ts'
import { fillTemplate, PLACEHOLDERS } from '../../src/mail/templates.ts'
import { plain } from '../../tools/plain.mjs'
import { somebody } from '../helpers/accounts.ts'
import { startApp, TEST_SECRETS } from '../helpers/app.ts'
import { post } from '../helpers/client.ts'
import { linkOf } from '../helpers/outbox.ts'
import { createTestDatabase } from '../helpers/postgres.ts'
import { createSmtpServer } from '../helpers/smtp.ts'

const VALUES = {
  name: "Zoë O'Hara <b>",
  site: 'auth.example.com',
  link: 'https://auth.example.com/reset?a=1&token=abc',
  hours: '1',
  label: 'Firefox on Windows',
  ip: '192.0.2.1',
  time: '2026-02-03 04:05 UTC',
}

const RESET = {
  'reset_password.subject.txt': 'Neues Passwort bei {{site}}\n',
  'reset_password.txt': 'Hallo {{name}},\n\n{{ link }}\n\nGilt {{hours}} h, {{hours}} h lang.\n',
  'reset_password.html': '<p>Hallo {{name}}</p><a href="{{link}}">{{link}}</a>',
}

t.test('an operator puts a letter into his own words, and the others stay as they are', async (t) => {
  const templates = await readTemplates(await directoryOf(RESET))
  t.strictSame([...templates.keys()], ['reset_password'])
  t.equal((await readTemplates(undefined)).size, 0)
  t.equal((await readTemplates(await directoryOf({}))).size, 0)
})

t.test(
  'what a letter is about takes the place of its placeholder, escaped in HTML and nowhere else',
  async (t) => {
    const template = (await readTemplates(await directoryOf(RESET))).get('reset_password')
    t.strictSame(template && fillTemplate(template, VALUES), {
      subject: 'Neues Passwort bei auth.example.com',
      text: `Hallo Zoë O'Hara <b>,\n\n${VALUES.link}\n\nGilt 1 h, 1 h lang.\n`,
      html:
        '<p>Hallo Zoë O&#39;Hara &#60;b&#62;</p>' +
        '<a href="https://auth.example.com/reset?a=1&#38;token=abc">https://auth.example.com/reset?a=1&#38;token=abc</a>',
      links: [VALUES.link],
    })
  },
)

t.test(
  'a value that looks like a placeholder, or like a pattern of replacement, stays what it is',
  async (t) => {
    const template = (await readTemplates(await directoryOf(RESET))).get('reset_password')
    const hostile = { ...VALUES, name: "{{link}} $& $1 $` $'" }
    t.match(template && fillTemplate(template, hostile).text, "Hallo {{link}} $& $1 $` $',\n")
  },
)

t.test('each letter can be overridden with every placeholder that it knows', async (t) => {
  const files = Object.entries(PLACEHOLDERS).flatMap(([name, placeholders]) => {
    const body = placeholders.map((each) => `{{${each}}}`).join('\n')
    return [
      [`${name}.subject.txt`, 'A {{site}}'],
      [`${name}.txt`, body],
      [`${name}.html`, body],
    ]
  })
  const templates = await readTemplates(await directoryOf(Object.fromEntries(files)))
  t.strictSame([...templates.keys()].sort(), Object.keys(PLACEHOLDERS).sort())
  for (const template of templates.values()) t.notMatch(fillTemplate(template, VALUES).text, /[{}]/)
})

t.test('README.md lists the letters and their placeholders', async (t) => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const rows = [...readme.matchAll(/^\| `([a-z_]+)` \| [^|]+ \| `(\{\{.*\}\})` \|$/gm)]
  t.strictSame(
    rows.map(([, name, placeholders = '']) => [name, placeholders.replace(/[{}]/g, '').split(' ').sort()]),
    Object.entries(PLACEHOLDERS).map(([name, placeholders]) => [name, [...placeholders].sort()]),
  )
})

t.test(
  'every fault of every file is told at once, with its place and what would have been right',
  async (t) => {
    const directory = await directoryOf({
      'reset_password.subject.txt': 'Hello {{name}}\n',
      'reset_password.txt': 'Hello {{nmae}}\n\n{{link}} {{ip}} {{__proto__}}\n{{link\n}}',
      'reset_password.html': '<p>Hello {{name}}</p>',
      'new_device.txt': 'Hello',
      'Verify_Email.txt': 'Hello',
      'verify_email.txt~': 'Hello',
      'password_changed.subject.txt': 'two\nlines',
      'password_changed.txt': '  \n',
      'password_changed.html': Buffer.from([0xff, 0xfe, 0x41]),
      'session_ended.subject.txt': 'x'.repeat(201),
      'session_ended.txt': 'x'.repeat(101 * 1024),
      'session_ended.html': '{{hours}}',
    })
    await mkdir(join(directory, 'already_registered.txt'))
    const error: unknown = await readTemplates(directory).catch((reason) => reason)
    if (!(error instanceof TemplateError)) throw error
    t.match(error.message, /^Keyturn does not start: 19 things are wrong in MAIL_TEMPLATES_DIR\.\n/)
    for (const line of [
      /^ {2}Verify_Email\.txt is no file of a letter; expected <letter>\.subject\.txt, .* verify_email, /m,
      /^ {2}verify_email\.txt~ is no file of a letter/m,
      /^ {2}reset_password\.subject\.txt:1 has \{\{name\}\}, which stands for nothing here; expected \{\{site\}\}$/m,
      /^ {2}reset_password\.txt:1 has \{\{nmae\}\}, .*; expected \{\{name\}\} \{\{site\}\} \{\{link\}\} \{\{hours\}\}$/m,
      /^ {2}reset_password\.txt:3 has \{\{ip\}\}/m,
      /^ {2}reset_password\.txt:3 has \{\{__proto__\}\}/m,
      /^ {2}reset_password\.txt:4 has a \{\{ that does not end/m,
      /^ {2}reset_password\.html has no \{\{link\}\}/m,
      /^ {2}new_device\.subject\.txt is missing: a letter is new_device\.subject\.txt, new_device\.txt, new_device\.html$/m,
      /^ {2}new_device\.html is missing/m,
      /^ {2}password_changed\.subject\.txt is not one line/m,
      /^ {2}password_changed\.txt is empty/m,
      /^ {2}password_changed\.html is not UTF-8/m,
      /^ {2}session_ended\.subject\.txt is not one line/m,
      /^ {2}session_ended\.txt is longer than 100 KiB/m,
      /^ {2}session_ended\.html:1 has \{\{hours\}\}/m,
      /^ {2}already_registered\.txt cannot be read \(EISDIR\)/m,
      /^ {2}already_registered\.subject\.txt is missing/m,
      /^ {2}already_registered\.html is missing/m,
    ])
      t.match(error.message, line)
  },
)

t.test('a directory that is none, or may not be read, is named', async (t) => {
  const directory = await directoryOf({ file: '' })
  for (const [path, code] of [
    [join(directory, 'nowhere'), 'ENOENT'],
    [join(directory, 'file'), 'ENOTDIR'],
  ] as const)
    await t.rejects(readTemplates(path), { message: `${path} cannot be read as a directory (${code})` })
})

t.test('a directory as Kubernetes mounts it is read: links, and names with a dot before them', async (t) => {
  const directory = await directoryOf({})
  await mkdir(join(directory, '..2026_02_03'))
  for (const [name, text] of Object.entries(RESET)) {
    await writeFile(join(directory, '..2026_02_03', name), text)
    await symlink(join('..data', name), join(directory, name))
  }
  await symlink('..2026_02_03', join(directory, '..data'))
  t.equal((await readTemplates(directory)).size, 1)
})

t.test('the service writes the letter in those words, and links it as ever', async (t) => {
  const smtp = await createSmtpServer(t)
  const settings = { SMTP_URL: smtp.url, PUBLIC_URL: 'https://auth.example.com', EMAIL_VERIFICATION: 'off' }
  const { url } = await startApp(t, { ...settings, MAIL_TEMPLATES_DIR: await directoryOf(RESET) })
  const person = somebody()
  await post(`${url}/register`, { ...person })
  await post(`${url}/request-reset`, { email: person.email })
  const [mail] = await smtp.received(1)
  t.equal(mail?.subject, 'Neues Passwort bei auth.example.com')
  t.match(
    mail?.text,
    /^Hallo user[0-9a-f]+,\n\nhttps:\/\/auth\.example\.com\/reset\?token=[\w-]{56}\n\nGilt 1 h, 1 h lang\.\n/,
  )
  const link = linkOf(mail?.text)
  t.match(mail?.html, `<a href="${link}">${link}</a>`)
  const token = new URL(link).searchParams.get('token') ?? ''
  t.equal((await post(`${url}/reset`, { token, password: 'another pass phrase' })).status, 200)
})

t.test('a service whose letters are wrong does not start, and says why', async (t) => {
  const { url } = await createTestDatabase(t)
  const directory = await directoryOf({ ...RESET, 'reset_password.txt': 'Hello\n{{lnk}}' })
  const child = spawn(process.execPath, [plain('src/server.ts')], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      DATABASE_URL: url,
      ...TEST_SECRETS,
      MAIL_TEMPLATES_DIR: directory,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let printed = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (printed += text))
  t.strictSame(await once(child, 'close'), [78, null])
  t.match(
    printed,
    /^Keyturn does not start: 2 things are wrong in MAIL_TEMPLATES_DIR\.\n {2}reset_password\.txt has no .*\n {2}reset_password\.txt:2 has \{\{lnk\}\}, .*\n$/,
  )
})

async function directoryOf(files: Readonly<Record<string, string | Buffer>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'keyturn-templates-'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
  return directory
}
