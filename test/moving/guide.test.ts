import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { plain } from '../../tools/plain.mjs'
import { TEST_SECRETS } from '../helpers/app.ts'
import { bareEnvironment, ROOT } from '../helpers/cli.ts'
import { fillDjango, ONE_OF_EACH } from '../helpers/django.ts'
import { freePort } from '../helpers/free-port.ts'
import { createTestDatabase } from '../helpers/postgres.ts'
import { keepPrinted } from '../helpers/run-log.ts'

const SHOWN = {
  service: 'http://127.0.0.1:3000',
  django: 'postgresql://reader@127.0.0.1:5432/django',
  keyturn: 'postgresql://keyturn@127.0.0.1:5432/keyturn',
}

interface Piece {
  readonly kind: 'run' | 'serve'
  readonly script: string
  readonly prints: string | undefined
}

/** Fenced blocks below `<!-- run -->` and `<!-- serve -->`, each with what stands below it to be printed. */
function piecesOf(guide: string): Piece[] {
  const block = /<!-- (run|serve) -->\n```sh\n([\s\S]*?)```\n(?:<!-- prints -->\n```\w+\n([\s\S]*?)```\n)?/g
  return [...guide.matchAll(block)].map(([, kind, script = '', prints]) => ({
    kind: kind === 'serve' ? 'serve' : 'run',
    script,
    prints,
  }))
}

t.test('docs/moving-from-django.md does what it says, one step after the other', async (t) => {
  const guide = readFileSync(join(ROOT, 'docs/moving-from-django.md'), 'utf8')
  const pieces = piecesOf(guide)
  t.equal(pieces.length, guide.match(/^```sh$/gm)?.length, 'every command of the guide is run')
  t.ok(pieces.length >= 8)

  const django = await createTestDatabase(t, 'template1')
  await fillDjango(django.pool, people())
  const keyturn = await createTestDatabase(t, 'template1')
  const port = String(await freePort())
  const located = (text: string) =>
    text
      .replaceAll(SHOWN.service, `http://127.0.0.1:${port}`)
      .replaceAll(SHOWN.django, `'${django.url}'`)
      .replaceAll(SHOWN.keyturn, `'${keyturn.url}'`)

  const cwd = t.testdir({ bin: {} })
  const PATH = commands(join(cwd, 'bin')) + delimiter + bareEnvironment()['PATH']
  const env = {
    ...bareEnvironment(),
    PATH,
    ...TEST_SECRETS,
    PORT: port,
    BCRYPT_COST: '4',
    LOG_LEVEL: 'silent',
  }
  // What was exported in a terminal stays there for the next command.
  let exported = ''
  for (const { kind, script, prints } of pieces) {
    const command = located(script)
    if (kind === 'serve') {
      await serve(t, `${exported}exec ${command}`, { cwd, env }, port)
      continue
    }
    const { code, stdout, stderr } = await run(exported + command, { cwd, env })
    t.equal(code, 0, `${script}${stderr}`)
    if (prints !== undefined) t.match(stdout.trim(), shownAs(prints), script)
    exported += command
      .split('\n')
      .filter((line) => line.startsWith('export '))
      .map((line) => `${line}\n`)
      .join('')
  }
})

/** As the guide has them: a user for each hasher, one without a password, one who shares her name. */
function people() {
  const users = ONE_OF_EACH.map(({ kind, hash }, index) => ({
    id: index + 1,
    username: index === 0 ? 'ada' : `user_${kind}`,
    email: index === 0 ? 'ada@example.org' : `${kind}@example.org`,
    password: hash,
    ...(index === 0 && { first_name: 'Ada', last_name: 'Lovelace', is_staff: true, is_superuser: true }),
  }))
  const [{ password = '' } = {}] = users
  return [
    ...users,
    { id: 7, username: 'left', email: 'left@example.org', password, is_active: false },
    { id: 8, username: 'invited', email: 'invited@example.org', password: '!unusable' },
    { id: 9, username: 'Ada', email: 'other.ada@example.org', password },
  ]
}

/** What `text` shows, where `…` stands for anything. */
function shownAs(text: string): RegExp {
  const literal = text.trim().replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  return new RegExp(`^${literal.replaceAll('…', '[\\s\\S]*?')}$`)
}

/** `keyturn`, and as much of curl as the guide uses, for machines that have none. */
function commands(bin: string): string {
  const put = (name: string, text: string) => {
    writeFileSync(join(bin, name), text)
    chmodSync(join(bin, name), 0o755)
  }
  put('keyturn', `#!/bin/sh\nexec node '${plain('src/cli.ts')}' "$@"\n`)
  put(
    'curl',
    `#!/usr/bin/env node
const [, , s, url, ...data] = process.argv
if (s !== '-s') throw new Error('this curl knows only -s')
const body = new URLSearchParams(data.filter((arg) => arg !== '-d').join('&'))
fetch(url, { method: 'POST', body }).then(async (answer) => process.stdout.write(await answer.text()))
`,
  )
  return bin
}

interface Where {
  readonly cwd: string
  readonly env: Record<string, string>
}

/** Without the loader that tap puts into the environment of every process. */
function shell(script: string, where: Where): ChildProcess {
  const child = spawn('sh', ['-e', '-c', `unset NODE_OPTIONS\n${script}`], {
    ...where,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  keepPrinted(child.stdout)
  return child
}

async function run(script: string, where: Where) {
  const child = shell(script, where)
  const output = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text) => (output.stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text) => (output.stderr += text))
  const [code] = await once(child, 'close')
  return { code, ...output }
}

async function serve(t: Test, script: string, where: Where, port: string): Promise<void> {
  const child = shell(script, where)
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text) => (said += text))
  child.stdout?.resume()
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const end = performance.now() + 60_000
  while (!(await isReady(port))) {
    if (child.exitCode !== null) throw new Error(`it ended: ${said}`)
    if (performance.now() > end) throw new Error(`it was never ready: ${said}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function isReady(port: string): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  )
}
