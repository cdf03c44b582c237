import type { ChildProcess } from 'node:child_process'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { decodeJwt, SignJWT } from 'jose'
import t from 'tap'
import { describeSettings } from '../src/config.ts'
import { EVENTS } from '../src/core/events.ts'
import { WORDS } from '../src/dialects/canonical/errors.ts'
import { readExposition } from './helpers/observed.ts'
import { keepPrinted } from './helpers/run-log.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const README = join(ROOT, 'README.md')
/** Where the examples say that the service is. */
const SHOWN_URL = 'http://127.0.0.1:3000'
const readme = readFileSync(README, 'utf8')

t.test('the examples of README.md do what they say, one after the other', async (t) => {
  const service = await startService(t)
  const shell = await makeShell(service)

  await t.test('npm start prints what README.md shows', async (t) => {
    t.match(service.output.trim(), shownAs(only('prints', 'start'), service))
  })

  await t.test('the printed curl returns a token of the demo user', async (t) => {
    const command = /^ {2}(curl .*)$/m.exec(service.output)?.[1] ?? ''
    const answer = JSON.parse(await shell(command))
    t.equal(answer.user.username, 'demo')
    t.equal((await status(service, answer.access)).status, 200)
  })

  await t.test(
    'the tour can be pasted piece by piece, and each piece prints what stands below it',
    async (t) => {
      const pieces = blocks('example', 'tour')
      const printed = (await shell(pieces.join("\nprintf '\\036'\n"))).split('\u001e')
      const shown = blocks('prints', 'tour')
      t.equal(printed.length, shown.length)
      for (const [index, text] of shown.entries())
        t.match(printed[index]?.trim(), shownAs(text, service), `piece ${index + 1}`)
    },
  )

  await t.test('five lines of jose verify an access token by the shared key alone', async (t) => {
    const { access, user } = await signIn(service)
    const lines = only('example', 'jose').trimEnd()
    t.equal(lines.split('\n').length, 5)
    const verify = (token: string, secrets: string) =>
      run(
        process.execPath,
        [
          '--input-type=module',
          '--eval',
          [`const token = '${token}'`, located(lines, service), 'console.log(JSON.stringify(payload))'].join(
            '\n',
          ),
        ],
        { JWT_SECRETS: secrets },
      )

    const payload = JSON.parse(await verify(access, service.jwtSecrets))
    t.equal(payload.user_id, user.id)
    t.equal(payload.username, 'demo')
    await t.rejects(verify(access, `development:${'A'.repeat(43)}`), 'another key verifies nothing')
    await t.rejects(
      verify(access, `other:${service.jwtSecrets.split(':')[1]}`),
      'nor does a key of another name',
    )

    const minted = await mintAsVerifier(service, access)
    t.equal(
      JSON.parse(await verify(minted, service.jwtSecrets)).sub,
      '1',
      'such a service can mint for its own kind',
    )
    for (const [method, path] of await guardedEndpoints(service)) {
      const answer = await fetch(service.url + path, {
        method,
        headers: { authorization: `Bearer ${minted}` },
      })
      t.equal(answer.status, 401, `but ${method} ${path} of Keyturn refuses it`)
    }
    t.equal(
      (await status(service, access)).status,
      200,
      'and nothing of it ends the session it was copied from',
    )
  })

  await t.test(
    'every endpoint of the table exists, and every endpoint of the document is in the table',
    async (t) => {
      const { paths } = await read<OpenApi>(await fetch(`${service.url}/openapi.json`))
      const listed = endpointsOfTable()
      for (const [method, path] of listed) {
        if (paths[path]?.[method.toLowerCase()] !== undefined) continue
        const answer = await fetch(service.url + path.replace(':code', 'not_found'), { method })
        t.notMatch(
          answer.status,
          /404|405|5\d\d/,
          `${method} ${path} answers, though the document says nothing of it`,
        )
      }
      const documented = Object.keys(paths).filter((path) => !listed.some(([, other]) => other === path))
      t.strictSame(documented, [], 'nothing is in the document alone')
    },
  )

  await t.test('every metric is in the table, and every metric that the documents name exists', async (t) => {
    const { families } = readExposition(await (await fetch(`${service.url}/metrics`)).text())
    const rows = [...families]
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, { type, help }]) => `| ${code(name)} | ${type} | ${help} |`)
    holdTable(t, 'metrics', rows)
    const known = (name: string) => families.has(name.replace(/_(bucket|sum|count)$/, ''))
    const documents = ['README.md', 'SECURITY.md', 'CHANGELOG.md', ...filesIn('docs'), ...filesIn('src')]
    const unknown = documents.flatMap((document) =>
      [...readFileSync(join(ROOT, document), 'utf8').matchAll(/\bkeyturn_[a-z_]+[a-z]\b(?!\})/g)]
        .filter(([name]) => !known(name) && !NO_METRICS.has(name))
        .map(([name]) => `${document}: ${name}`),
    )
    t.strictSame(unknown, [])
  })

  await t.test(
    'every header of an answer is in the table, and every header of the table is in the code',
    async (t) => {
      const listed = new Set(
        [
          ...(/<!-- headers: .*-->([\s\S]*?)<!-- end -->/.exec(readme)?.[1] ?? '').matchAll(
            /`([A-Z][\w-]+)`(?=[,\s][^|]*\|.*\|$)/gm,
          ),
        ].map(([, name = '']) => name.toLowerCase()),
      )
      const written = headersInCode()
      t.ok(written.size > 25, 'there are headers to look at')
      t.strictSame(
        [...written].filter((name) => !listed.has(name) && !TRANSPORT.has(name)),
        [],
        'set in the code',
      )
      const { access } = await signIn(service)
      const seen = new Set<string>()
      const origin = { origin: 'http://127.0.0.1', 'access-control-request-method': 'POST' }
      for (const [path, init] of [
        ['/check-auth-status', { headers: { authorization: `Bearer ${access}` } }],
        ['/token', { method: 'POST' }],
        ['/token', { method: 'OPTIONS', headers: origin }],
        ['/docs', {}],
        ['/reset?token=x', {}],
        ['/nowhere', {}],
        ['/.well-known/change-password', { redirect: 'manual' }],
      ] as const)
        for (const [name] of (await fetch(service.url + path, init)).headers) seen.add(name)
      t.strictSame(
        [...seen].filter((name) => !listed.has(name) && !TRANSPORT.has(name)),
        [],
        'seen in an answer',
      )
      const asked = new Set(
        [
          ...(/^.*\|\n<!-- end -->/m.exec(readme.split('<!-- headers:')[1] ?? '')?.[0] ?? '').matchAll(
            /`([\w-]+)`/g,
          ),
        ].map(([, name = '']) => name.toLowerCase()),
      )
      const read = headersReadInCode()
      t.ok(asked.size > 3 && read.size > 10, 'there are headers of requests to look at')
      t.strictSame(
        [...asked].filter((name) => !read.has(name)),
        [],
        'the last four are read',
      )
      t.strictSame(
        [...read].filter((name) => !asked.has(name) && !OF_EVERY_CLIENT.has(name)),
        [],
        'and nothing else is, but what every client sends',
      )
      const known = [written, seen, asked, BY_CORS_PLUGIN]
      t.strictSame(
        [...listed].filter((name) => !known.some((names) => names.has(name))),
        [],
        'named in the README',
      )
    },
  )

  await t.test('SIGTERM ends what npm start has started, and it says that nothing went wrong', async (t) => {
    service.process.kill('SIGTERM')
    t.equal((await once(service.process, 'exit'))[0], 0)
  })
})

t.test('the table of settings is what the configuration reads', async (t) => {
  const rows = describeSettings().map(
    ({ name, default: standard, expected, about, why, requiredInProduction }) => {
      const words = expected.includes(' | ') ? `${expected.split(' | ').map(code).join(', ')}. ` : ''
      const required = requiredInProduction ? ['**required** in production'] : []
      const shown = [...(standard === undefined ? [] : [code(standard)]), ...required].join('; ')
      return `| ${[code(name), shown, words + about, why].join(' | ')} |`
    },
  )
  holdTable(t, 'settings', rows)
})

t.test('the table of errors is what the service can answer', async (t) => {
  const words = Object.entries(WORDS)
  const statuses = [...new Set(words.map(([, { status }]) => status))].sort((a, b) => a - b)
  const rows = statuses.map((status) => {
    const codes = words.filter(([, word]) => word.status === status).map(([word]) => code(word))
    return `| ${status} | ${codes.join(', ')} |`
  })
  holdTable(t, 'errors', rows)
})

t.test('the table of events is what the security record can hold', async (t) => {
  holdTable(
    t,
    'events',
    Object.entries(EVENTS).map(([kind, about]) => `| ${code(kind)} | ${about} |`),
  )
})

t.test('what the documents refer to exists', async (t) => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  )
  const missing = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'].flatMap((document) => {
    const text = readFileSync(join(ROOT, document), 'utf8')
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path = '']) => path)
    const files = [...text.matchAll(/`((?:src|test|tools|bench|migrations|\.ci)\/[\w./-]*\w)`/g)].map(
      ([, path = '']) => path,
    )
    const commands = [...text.matchAll(/npm run ([\w:]+)/g)].flatMap(([, name = '']) =>
      scripts[name] ? [] : [name],
    )
    return [...[...links, ...files].filter((path) => !existsSync(join(ROOT, path))), ...commands].map(
      (what) => `${document}: ${what}`,
    )
  })
  t.strictSame(missing, [])
})

/** Names of ours that are no metrics. */
const NO_METRICS = new Set(['keyturn_revoked', 'keyturn_refresh', 'keyturn_claims'])
/** What every server sends. */
const TRANSPORT = new Set([
  ...['content-type', 'content-length', 'date', 'connection', 'keep-alive', 'transfer-encoding', 'location'],
  ...['accept-ranges', 'last-modified'],
])
/** Its own code has their names. */
const BY_CORS_PLUGIN = new Set(['access-control-allow-origin', 'access-control-expose-headers'])
/** What clients, browsers above all, send of themselves. */
const OF_EVERY_CLIENT = new Set([
  ...['host', 'origin', 'cookie', 'accept', 'accept-encoding', 'user-agent', 'if-none-match'],
  ...['content-type', 'content-encoding', 'sec-fetch-site', 'access-control-request-method'],
])

function filesIn(directory: string): string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
}

/** Names of headers that the service sets: in calls, in the objects that calls are handed, and in what is written by hand. */
function headersInCode(): Set<string> {
  const names = filesIn('src')
    .filter((file) => !/^src\/(verify|cli|config|core|store|mail|plugins\/multipart)\b/.test(file))
    .flatMap((file) => {
      const text = readFileSync(join(ROOT, file), 'utf8').replace(/^.*\brequest\.headers\b.*$/gm, '')
      if (!/[Hh]eader|HEADERS/.test(text)) return []
      const calls = [...text.matchAll(/\.header\(\s*'([\w-]+)'/g)]
      const objects = [...text.matchAll(/\.headers\(\{([^}]*)\}/g)].flatMap(([, inside = '']) => [
        ...inside.matchAll(/(?:^|[{,\n])\s*([a-z]+)(?=[:,\s]|$)/g),
      ])
      const keys = [...text.matchAll(/'([a-z]+(?:-[a-z]+)+)':/g)]
      const lines = [...text.matchAll(/['`]([A-Z]\w+(?:-\w+)+): /g)]
      return [...calls, ...objects, ...keys, ...lines].map(([, name = '']) => name.toLowerCase())
    })
  return new Set(names)
}

/** Names of headers of requests that the service looks at. */
function headersReadInCode(): Set<string> {
  const names = filesIn('src')
    .filter((file) => /^src\/(plugins|dialects|pages)\//.test(file) && !file.endsWith('multipart.ts'))
    .flatMap((file) => {
      const text = readFileSync(join(ROOT, file), 'utf8')
      const direct = [...text.matchAll(/(?<!-)\bheaders(?:\.(?=[a-z]+\b[^(])|\[')([a-z]+(?:-[a-z]+)*)/g)]
      const taken = [...text.matchAll(/\{([^{}]*)\} = (?:\w+\.)?headers\b/g)].flatMap(([, inside = '']) => [
        ...inside.matchAll(/(?:^|,)\s*'?([a-z]+(?:-[a-z]+)*)/g),
      ])
      return [...direct, ...taken].map(([, name = '']) => name)
    })
  return new Set(names)
}

// ── the documents ───────────────────────────────────────────────────────────────────────────────────────────

/** Fenced blocks below `<!-- kind: name -->`, which readers do not see. */
function blocks(kind: 'example' | 'prints', name: string): string[] {
  const marked = readme.matchAll(/^<!-- (\w+): (\w+) -->\n```\w+\n([\s\S]*?)^```$/gm)
  return [...marked].flatMap(([, k, n, text = '']) => (k === kind && n === name ? [text] : []))
}

function only(kind: 'example' | 'prints', name: string): string {
  const [text, ...more] = blocks(kind, name)
  if (text === undefined || more.length > 0) throw new Error(`README.md has not one block "${kind}: ${name}"`)
  return text
}

/** An example for this very service. */
function located(text: string, { url, dataDir }: Pick<Service, 'url' | 'dataDir'>): string {
  return text.replaceAll(SHOWN_URL, url).replaceAll(/(?<=\s)\.data$/gm, dataDir)
}

/** What `text` shows, where `…` stands for anything. */
function shownAs(text: string, service: Service): RegExp {
  const literal = located(text, service)
    .trim()
    .replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  return new RegExp(`^${literal.replaceAll('…', '[\\s\\S]*?')}$`)
}

/** Compares the marked table with its source; `UPDATE_README=1` writes it instead. */
function holdTable(t: Tap, name: string, rows: readonly string[]): void {
  const table = new RegExp(`(<!-- ${name}: .*-->\\n\\|.*\\n\\|.*\\n)([\\s\\S]*?)(<!-- end -->)`)
  const text = rows.map((row) => `${row}\n`).join('')
  if (process.env['UPDATE_README']) {
    writeFileSync(
      README,
      readFileSync(README, 'utf8').replace(table, (_, head, __, end) => head + text + end),
    )
    return
  }
  t.equal(table.exec(readme)?.[2], text, 'UPDATE_README=1 npm test -- test/readme.test.ts writes it anew')
}

function code(text: string): string {
  return `\`${text}\``
}

function endpointsOfTable(): [method: string, path: string][] {
  const rows = readme.matchAll(/^\| ((?:[A-Z]+(?:, )?)+) (`\/[^|]*`) \|/gm)
  return [...rows].flatMap(([, methods = '', paths = '']) =>
    [...paths.matchAll(/`([^`]+)`/g)].flatMap(([, path = '']) =>
      methods.split(', ').map((method): [string, string] => [method, path]),
    ),
  )
}

// ── the service ─────────────────────────────────────────────────────────────────────────────────────────────

type Tap = Pick<typeof t, 'equal' | 'teardown'>
type OpenApi = { paths: Record<string, Record<string, { security?: object[] }>> }

interface Service {
  readonly process: ChildProcess
  readonly url: string
  readonly dataDir: string
  /** What it has printed before it was ready. */
  readonly output: string
  readonly jwtSecrets: string
}

/** What `npm start` starts, as a stranger has it: nothing set, except that nobody else is in the way. */
async function startService(t: Tap): Promise<Service> {
  const area = await mkdtemp(join(tmpdir(), 'keyturn-readme-'))
  const dataDir = join(area, 'data')
  const child = spawn(...plainly(process.execPath, ['--import', './tools/ts.mjs', 'src/server.ts']), {
    cwd: ROOT,
    env: { ...bareEnvironment(), DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    await rm(area, { recursive: true, force: true })
  })
  keepPrinted(child.stdout)
  const output = await untilPrinted(child, /curl -s \S+ -d username=demo -d password=\S+\n/)
  const kept: { jwtSecret: string } = JSON.parse(readFileSync(join(dataDir, 'development.json'), 'utf8'))
  const url = /^ {2}Service +(\S+)$/m.exec(output)?.[1] ?? ''
  return { process: child, url, dataDir, output, jwtSecrets: `development:${kept.jwtSecret}` }
}

function untilPrinted({ stdout }: ChildProcess, wanted: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = ''
    stdout?.setEncoding('utf8')
    stdout?.on('data', (text: string) => {
      output += text
      if (wanted.test(output)) resolve(output)
    })
    stdout?.once('end', () => reject(new Error(`it ended before it was ready: ${output}`)))
  })
}

/** Nothing that could be a setting, or that tap means for its own processes. */
function bareEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR } = process.env
  return { PATH: dirname(process.execPath) + delimiter + PATH, HOME, ...(TMPDIR ? { TMPDIR } : {}) }
}

/** Without the loader that tap puts into the environment of every process, which is no stranger's and slow. */
function plainly(file: string, args: readonly string[]): [file: string, args: string[]] {
  return ['sh', ['-c', 'unset NODE_OPTIONS; exec "$0" "$@"', file, ...args]]
}

async function run(file: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const options = { cwd: ROOT, env: { ...bareEnvironment(), ...env }, timeout: 60_000 }
  return (await promisify(execFile)(...plainly(file, args), options)).stdout
}

/** Runs what a stranger would paste, and stops at the first failure. */
async function makeShell(service: Service): Promise<(script: string) => Promise<string>> {
  const bin = join(dirname(service.dataDir), 'bin')
  await mkdir(bin)
  await writeFile(join(bin, 'curl'), CURL)
  await chmod(join(bin, 'curl'), 0o755)
  const PATH = bin + delimiter + bareEnvironment()['PATH']
  return (script) => run('sh', ['-e', '-c', located(script, service)], { PATH })
}

/** As much of curl as the examples use, for machines that have none. */
const CURL = `#!/usr/bin/env node
const [, , ...args] = process.argv
const data = []
const headers = {}
let url
while (args.length > 0) {
  const arg = args.shift()
  if (arg === '-s') continue
  else if (arg === '-d') data.push(args.shift())
  else if (arg === '-H') {
    const [, name, value] = /^([^:]+): *(.*)$/.exec(args.shift())
    headers[name] = value
  } else if (arg.startsWith('-') || url !== undefined) throw new Error('this curl does not know ' + arg)
  else url = arg
}
if (data.length > 0) headers['content-type'] = 'application/x-www-form-urlencoded'
const request = data.length > 0 ? { method: 'POST', body: data.join('&'), headers } : { headers }
fetch(url, request).then(async (answer) => process.stdout.write(await answer.text()))
`

async function signIn({ url, output }: Service): Promise<{ access: string; user: { id: number } }> {
  const password = /password=(\S+)/.exec(output)?.[1] ?? ''
  const body = new URLSearchParams({ username: 'demo', password })
  return read(await fetch(`${url}/token`, { method: 'POST', body }))
}

async function read<T>(answer: Response): Promise<T> {
  return JSON.parse(await answer.text())
}

function status({ url }: Service, access: string): Promise<Response> {
  return fetch(`${url}/check-auth-status`, { headers: { authorization: `Bearer ${access}` } })
}

/** A token that differs from a real one in nothing that a holder of the shared key could know. */
async function mintAsVerifier({ jwtSecrets }: Service, access: string): Promise<string> {
  const [kid = '', secret = ''] = jwtSecrets.split(':')
  return new SignJWT({ ...decodeJwt(access), jti: 'minted' })
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid })
    .sign(Buffer.from(secret, 'base64url'))
}

async function guardedEndpoints({ url }: Service): Promise<[method: string, path: string][]> {
  const { paths } = await read<OpenApi>(await fetch(`${url}/openapi.json`))
  const guarded = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { security }]): [string, string][] =>
      security === undefined || security.length === 0 ? [] : [[method.toUpperCase(), path]],
    ),
  )
  return [...guarded, ['POST', '/logout']]
}
