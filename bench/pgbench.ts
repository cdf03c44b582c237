import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { ROTATE } from '../src/store/rotation.ts'
import { cleanEnvironment, endProcess } from './child.ts'
import type { BenchDatabase } from './database.ts'
import { sessionId } from './people.ts'

export interface PgbenchOrder {
  readonly database: BenchDatabase
  /** The first of its sessions; it has 31 for each client. */
  readonly first: number
  readonly clients: number
  readonly seconds: number
  /** Where the script may be written. */
  readonly directory: string
}

const SESSIONS_PER_CLIENT = 31
const DEBIAN = '/usr/lib/postgresql'

/** Where pgbench is, on the PATH or where Debian keeps it; `undefined` on a machine without it. */
export function findPgbench(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : []
  return [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...versions.map((version) => join(DEBIAN, version, 'bin')),
  ]
    .map((directory) => join(directory, 'pgbench'))
    .find((file) => existsSync(file))
}

/** Rotations a second of the service's own statement, one session a time, through `pgbench -M prepared`. */
export async function runPgbench(file: string, order: PgbenchOrder): Promise<number> {
  const { database, first, clients, seconds, directory } = order
  const script = join(directory, 'rotate.sql')
  await writeFile(script, rotateScript(first))
  await database.one('UPDATE sessions SET generation = 0 WHERE generation > 0 AND id >= $1', [
    sessionId(first),
  ])
  await database.one('VACUUM sessions')

  const url = new URL(database.url)
  const args = [
    ...['-n', '-M', 'prepared', '-c', clients, '-j', 2, '-T', seconds, '-f', script, '-D', 'n=-1'],
    ...['-h', url.searchParams.get('host'), '-p', url.searchParams.get('port')],
    ...['-U', url.searchParams.get('user'), url.pathname.slice(1)],
  ]
  const printed = await output(file, args.map(String))
  const transactions = Number(/transactions actually processed: (\d+)/.exec(printed)?.[1])
  const perSecond = Number(/^tps = ([\d.]+)/m.exec(printed)?.[1])
  const { rotated } = await database.one(
    'SELECT sum(generation)::integer AS rotated FROM sessions WHERE id >= $1',
    [sessionId(first)],
  )
  if (rotated !== transactions)
    throw new Error(`pgbench: ${transactions} statements rotated ${rotated} times`)
  return perSecond
}

/** Each client goes round its own sessions, so it knows their generation without asking. */
function rotateScript(first: number): string {
  const session = `('00000000-0000-7000-8000-' || lpad(to_hex(:session::integer), 12, '0'))`
  const statement = ROTATE.replaceAll(/\$\d::uuid/g, `ARRAY[${session}]::uuid`)
    .replaceAll(/\$\d::integer\[/g, 'ARRAY[:generation]::integer[')
    .replaceAll(/\$\d::bytea/g, 'ARRAY[NULL]::bytea')
    .replaceAll(/\$\d::integer/g, String(30 * 86_400))
  return `\\set n :n + 1
\\set session ${first} + :client_id * ${SESSIONS_PER_CLIENT} + :n % ${SESSIONS_PER_CLIENT}
\\set generation :n / ${SESSIONS_PER_CLIENT}
${statement};
`
}

async function output(file: string, args: readonly string[]): Promise<string> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: cleanEnvironment() })
  running.add(child)
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
  }
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  running.delete(child)
  if (code !== 0) throw new Error(`pgbench ended with ${code}: ${printed}`)
  return printed
}

const running = new Set<ReturnType<typeof spawn>>()
/** For when the bench is interrupted. */
export async function stopPgbench(): Promise<void> {
  await Promise.all([...running].map(endProcess))
}
