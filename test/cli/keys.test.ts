import { execFile } from 'node:child_process'
import { chmod, readdir, readFile, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readKeyRings } from '../../src/config.ts'
import { audienceKeys } from '../../src/core/audience-keys.ts'
import { plain } from '../../tools/plain.mjs'
import { directory, newSecret, replaceFile } from '../helpers/keys.ts'

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** The command as an operator types it. */
function keyturn(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const PATH = process.env['PATH'] ?? ''
  return new Promise((resolve) => {
    const command = [plain('src/cli.ts'), 'keys', ...args]
    execFile(process.execPath, command, { env: { PATH, ...env } }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err })
    })
  })
}

const mode = async (path: string) => (await stat(path)).mode & 0o777
/** Whatever in a file is no name. */
const secretsIn = (text: string) => text.match(/[\w-]{40,}/g) ?? []

t.test('keys are made into files that only their owner reads, and the service takes them', async (t) => {
  const dir = await directory(t)
  const env = {
    JWT_SECRETS_FILE: join(dir, 'jwt'),
    SERVER_SECRETS_FILE: join(dir, 'server'),
    JWT_PRIVATE_KEYS_FILE: join(dir, 'keys.json'),
  }
  const settings = ['JWT_SECRETS', 'SERVER_SECRETS', 'JWT_PRIVATE_KEYS_FILE']
  const made = await Promise.all(
    settings.map((setting, index) => {
      return keyturn(['generate', setting, '--out', Object.values(env)[index] ?? ''])
    }),
  )
  for (const [index, path] of Object.values(env).entries()) {
    t.match(made[index], { code: 0, err: '' })
    t.match(made[index]?.out, path, 'it says where')
    t.equal(await mode(path), 0o600)
    const secrets = secretsIn(await readFile(path, 'utf8'))
    t.ok(secrets.length > 0)
    t.notOk(
      secrets.some((secret) => made[index]?.out.includes(secret)),
      'and prints no secret',
    )
  }
  t.match(readKeyRings(env), {
    jwtSecrets: [{ kid: String }],
    serverSecrets: [{ kid: String }],
    jwtPrivateKeys: [{ kid: String, algorithm: 'EdDSA' }],
  })

  const list = await keyturn(['list', '--json'], env)
  t.match(JSON.parse(list.out), {
    keys: [
      { setting: 'JWT_SECRETS', algorithm: 'HS256', signs: true },
      { setting: 'JWT_PRIVATE_KEYS_FILE', algorithm: 'EdDSA', signs: false },
      { setting: 'SERVER_SECRETS', signs: true },
    ],
    readable_by_everybody: [],
  })
  await chmod(env.SERVER_SECRETS_FILE, 0o644)
  const shown = await keyturn(['list'], { ...env, JWT_ALGORITHM: 'EdDSA' })
  t.match(shown.out, /^JWT_SECRETS +\S+ +HS256 +verifies$/m)
  t.match(shown.out, /^JWT_PRIVATE_KEYS_FILE +\S+ +EdDSA +signs$/m)
  t.match(shown.out, /SERVER_SECRETS_FILE: everybody/)
  for (const path of Object.values(env)) {
    const secrets = secretsIn(await readFile(path, 'utf8'))
    t.notOk(secrets.some((secret) => (list.out + shown.out).includes(secret)))
  }
})

t.test('a key is printed only where that is asked for, alone, and a file is never overwritten', async (t) => {
  const path = join(await directory(t), 'jwt')
  t.match(await keyturn(['generate', 'JWT_SECRETS']), { code: 64, out: '', err: /--out/ })
  const printed = await keyturn(['generate', 'JWT_SECRETS', '--out', '-', '--kid', 'a1'])
  t.match(printed, { code: 0, out: /^a1:[\w-]{43}\n$/, err: /JWT_SECRETS_FILE/ })
  t.equal((await keyturn(['generate', 'JWT_SECRETS', '--out', path])).code, 0)
  const before = await readFile(path, 'utf8')
  t.match(await keyturn(['generate', 'JWT_SECRETS', '--out', path]), { code: 1, err: /exists already/ })
  t.equal(await readFile(path, 'utf8'), before)
})

for (const [setting, flags] of [
  ['SERVER_SECRETS', []],
  ['JWT_PRIVATE_KEYS_FILE', ['--algorithm', 'ES256']],
] as const) {
  t.test(`a rotation of ${setting} is three steps, each of which the service takes`, async (t) => {
    const dir = await directory(t)
    const path = join(dir, 'keys')
    const link = join(dir, 'link')
    const rings = () =>
      readKeyRings({ [setting === 'SERVER_SECRETS' ? 'SERVER_SECRETS_FILE' : setting]: path })
    const kids = () => (rings().serverSecrets ?? rings().jwtPrivateKeys ?? []).map(({ kid }) => kid)
    await keyturn(['generate', setting, ...flags, '--kid', 'first', '--out', path])
    await symlink(path, link)
    await chmod(path, 0o644)

    const added = await keyturn(['rotate', link, '--add', '--kid', 'second'])
    t.match(added, { code: 0, out: /--promote/ })
    t.same(kids(), ['first', 'second'])
    t.equal(await mode(path), 0o640, 'strangers cannot read it any more')
    t.ok((await stat(link)).isFile(), 'the link leads to it still')
    t.match(await keyturn(['rotate', path, '--add', '--kid', 'second']), { code: 64, err: /taken/ })

    const promoted = await keyturn(['rotate', path, '--promote', '--json'])
    t.same(JSON.parse(promoted.out), {
      file: path,
      step: 'promote',
      kid: 'second',
      kids: ['second', 'first'],
    })
    t.same(kids(), ['second', 'first'])
    t.match(await keyturn(['rotate', path, '--retire', '--kid', 'second']), { code: 64, err: /signs/ })
    t.equal((await keyturn(['rotate', path, '--retire'])).code, 0)
    t.same(kids(), ['second'])
    t.match(await keyturn(['rotate', path, '--retire']), { code: 64, err: /only one key/ })
    t.same((await readdir(dir)).sort(), ['keys', 'link'], 'no draft stays behind')
  })
}

t.test('the keys of an audience are those that the service signs with', async (t) => {
  const secrets = `${newSecret('s2')},${newSecret('s1')}`
  const asked = ['generate', 'JWT_AUDIENCE_KEYS', '--audience', 'billing', '--out', '-', '--json']
  const { out, code } = await keyturn(asked, { SERVER_SECRETS: secrets })
  t.equal(code, 0)
  const { value, kids }: { value: string; kids: string[] } = JSON.parse(out)
  const named = (readKeyRings({ SERVER_SECRETS: secrets }).serverSecrets ?? []).map(({ kid, secret }) => ({
    kid,
    secret,
  }))
  const expected = audienceKeys(named, 'billing')
  t.equal(value, expected.map(({ kid, secret }) => `${kid}:${secret.toString('base64url')}`).join(','))
  t.same(
    kids,
    expected.map(({ kid }) => kid),
  )
  t.match(
    readKeyRings({ JWT_SECRETS: value }).jwtSecrets,
    [{ kid: kids[0] }, { kid: kids[1] }],
    'in the same form',
  )
})

t.test('what is wrong is said, without what stands in the file', async (t) => {
  const path = join(await directory(t), 'jwt')
  const secret = newSecret('a')
  await replaceFile(path, `${secret},b${secret.slice(1)}`)
  const refused = await keyturn(['rotate', path, '--add'])
  t.match(refused, { code: 1, out: '', err: /same secret/ })
  t.notOk(refused.err.includes(secret.slice(2)))
  t.match(await keyturn(['list'], { JWT_SECRETS_FILE: path }), {
    code: 78,
    err: /JWT_SECRETS entries 1 and 2/,
  })
  for (const wrong of [
    [],
    ['mend'],
    ['rotate', path],
    ['rotate', path, '--add', '--retire'],
    ['generate', 'PORT'],
  ]) {
    t.equal((await keyturn(wrong)).code, 64, wrong.join(' '))
  }
  t.match(await keyturn(['rotate', '/does/not/exist', '--add']), { code: 1, err: /cannot be read/ })
})
