import { chmod, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeProtectedHeader } from 'jose'
import type { Test } from 'tap'
import t from 'tap'
import { openKeyFiles } from '../../src/key-source.ts'
import { register, signedIn, signIn, tokensOf } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { get, post } from '../helpers/client.ts'
import { directory, newSecret, replaceFile } from '../helpers/keys.ts'
import { until } from '../helpers/until.ts'

const status = async (service: TestApp, access: string) =>
  (await get(`${service.url}/check-auth-status`, access)).status
const kidOf = (token: string) => decodeProtectedHeader(token).kid
const reloads = async ({ url }: TestApp) => String((await get(`${url}/metrics`)).body['text'])
const ready = async ({ url }: TestApp) => (await get(`${url}/health/ready`)).status

interface Files {
  readonly shared: string
  readonly server: string
}

async function withFiles(t: Test): Promise<{ files: Files; settings: Record<string, string>; old: Files }> {
  const dir = await directory(t)
  const files = { shared: join(dir, 'jwt'), server: join(dir, 'server') }
  const old = { shared: newSecret('jwt1'), server: newSecret('srv1') }
  await replaceFile(files.shared, `${old.shared}\n`)
  await replaceFile(files.server, `${old.server}\n`)
  const settings = { JWT_SECRETS_FILE: files.shared, SERVER_SECRETS_FILE: files.server }
  return { files, settings, old }
}

t.test('a file that is replaced is seen: added, promoted and retired without a restart', async (t) => {
  const { files, settings, old } = await withFiles(t)
  const service = await startApp(t, settings)
  const person = await signedIn(service)
  const [fresh, freshServer] = [newSecret('jwt2'), newSecret('srv2')]

  await replaceFile(files.shared, `${old.shared},${fresh}`)
  await replaceFile(files.server, `${old.server},${freshServer}`)
  await until('both were added', () => service.app.keyReload.now())
  t.equal(kidOf((await signIn(service, person)).access), 'jwt1', 'one that was added does not sign')

  await replaceFile(files.shared, `${fresh},${old.shared}`)
  await replaceFile(files.server, `${freshServer},${old.server}`)
  await until('promoted', async () => kidOf((await signIn(service, person)).access) === 'jwt2')
  t.equal(await status(service, person.access), 200)
  const next = await post(`${service.url}/refresh`, { refresh: person.refresh })
  t.equal(next.status, 200, 'a refresh token of the old server secret')

  await replaceFile(files.shared, fresh)
  await replaceFile(files.server, freshServer)
  await until('retired', async () => (await status(service, person.access)) === 401)
  t.equal(await status(service, tokensOf(next).access), 200)
  t.match(await post(`${service.url}/refresh`, { refresh: person.refresh }), { status: 401 })
  t.equal((await post(`${service.url}/refresh`, { refresh: tokensOf(next).refresh })).status, 200)
})

t.test('a token that was found good before is refused once its key has left the ring', async (t) => {
  const { files, settings, old } = await withFiles(t)
  const service = await startApp(t, settings)
  const { access } = await signedIn(service)
  for (let round = 0; round < 3; round += 1) t.equal(await status(service, access), 200)
  await replaceFile(files.shared, newSecret('jwt2'))
  t.ok(await service.app.keyReload.now())
  t.equal(await status(service, access), 401, 'the shared secret')

  await replaceFile(files.shared, old.shared)
  await service.app.keyReload.now()
  t.equal(await status(service, access), 200, 'back again')
  await replaceFile(files.shared, newSecret('jwt1'))
  await service.app.keyReload.now()
  t.equal(await status(service, access), 401, 'another secret of the same kid')

  await replaceFile(files.shared, old.shared)
  await service.app.keyReload.now()
  t.equal(await status(service, access), 200)
  await replaceFile(files.server, newSecret('srv2'))
  await service.app.keyReload.now()
  t.equal(await status(service, access), 401, 'the server secret')
})

t.test('a link that is swapped behind a link is seen, as Kubernetes swaps it', async (t) => {
  const dir = await directory(t)
  const person = { access: '', settings: {} }
  const put = async (version: string, text: string) => {
    await mkdir(join(dir, version))
    await writeFile(join(dir, version, 'jwt'), text)
    await symlink(version, join(dir, '..data_tmp'))
    await rename(join(dir, '..data_tmp'), join(dir, '..data'))
  }
  const [first, second] = [newSecret('jwt1'), newSecret('jwt2')]
  await put('..2026_1', first)
  await symlink('..data/jwt', join(dir, 'jwt'))
  const service = await startApp(t, { JWT_SECRETS_FILE: join(dir, 'jwt') })
  const account = await register(service)
  person.access = (await signIn(service, account)).access
  await put('..2026_2', `${second},${first}`)
  await until('seen', async () => kidOf((await signIn(service, account)).access) === 'jwt2')
  t.equal(await status(service, person.access), 200)
})

t.test('a file that is wrong changes nothing, and is told by name', async (t) => {
  const { files, settings, old } = await withFiles(t)
  const service = await startApp(t, settings)
  const { access } = await signedIn(service)
  const told: unknown[] = []
  Object.assign(service.app.log, { error: (details: unknown) => void told.push(details) })
  const secret = newSecret('jwt2')
  for (const [path, wrong, text] of [
    [files.shared, /JWT_SECRETS is 5 bytes long/, 'k1:c2hvcnQ'],
    [files.shared, /JWT_SECRETS is empty/, ''],
    [files.shared, /entries 1 and 2 have the same secret/, `${secret},jwt3${secret.slice(4)}`],
    [files.server, /SERVER_SECRETS .*in JWT_SECRETS too/, `${old.server},srv2${old.shared.slice(4)}`],
    [files.server, /entry 2 is 5 bytes long/, `${old.server},x:c2hvcnQ`],
  ] as const) {
    const before = await readFile(path, 'utf8')
    await replaceFile(path, text)
    t.equal(await service.app.keyReload.now(), false)
    t.match(JSON.stringify(told.at(-1)), wrong)
    t.notMatch(JSON.stringify(told), secret.slice(5), 'without the value')
    t.equal(await status(service, access), 200)
    t.equal(await ready(service), 200)
    await replaceFile(path, before)
  }
  const count = told.length
  await replaceFile(files.shared, 'rubbish')
  await until('the watch has seen it', () => told.length > count)
  t.equal(await status(service, access), 200)
  await until('counted', async () =>
    /key_reloads_total\{outcome="refused"\} [1-9]/.test(await reloads(service)),
  )
  await replaceFile(files.shared, `${newSecret('jwt9')},${old.shared}`)
  const person = await register(service)
  await until('mended', async () => kidOf((await signIn(service, person)).access) === 'jwt9')
})

t.test('a key file that everybody can read is named', async (t) => {
  const { files, settings } = await withFiles(t)
  t.same(openKeyFiles(settings), [])
  await chmod(files.server, 0o644)
  t.same(openKeyFiles(settings), ['SERVER_SECRETS_FILE'])
  t.same(openKeyFiles({ JWT_SECRETS_FILE: '/does/not/exist' }), [])
})
