import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { runLog } from '../../tools/leaks.mjs'

/**
 * What the services of this process log, and what no log may hold, kept for the end of the run: tools/leaks.mjs looks
 * through it. Of lines that differ in nothing but time, request and duration one is kept.
 */

/** Set by tools/test.mjs alone: whoever else uses these helpers keeps nothing. */
const isRun = process.env['TEST_TEMPLATE'] !== undefined
const LINES_MAX = 20_000
const SECRETS_AT_ONCE = 200

const kinds = new Set<string>()
const secrets = new Set<string>()
let unwritten: string[] = []

interface Log {
  write(line: string): void
}

/** Takes the log of a service that the present test has started, and passes it on to whoever else wants it. */
export function logOfTest(other?: Log): Log {
  const file = testFile()
  return {
    write(line) {
      if (process.env['TEST_LOG'] !== undefined) process.stdout.write(line)
      other?.write(line)
      keepLine(file, line)
    },
  }
}

/** The same for what a process prints, of which only the lines of the log are kept. */
export function keepPrinted(stream: NodeJS.ReadableStream | null): void {
  const file = testFile()
  let rest = ''
  stream?.on('data', (text) => {
    const lines = (rest + String(text)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('{"level":')) keepLine(file, line)
  })
}

function keepLine(file: string, line: string): void {
  if (!isRun || kinds.size >= LINES_MAX) return
  const kind = line
    .trim()
    .replace(/"time":\d+,"pid":\d+,"hostname":"[\w.-]+"/, '"time":0')
    .replace(/"((?:client_)?request_id|session_id)":"[\da-f-]{36}"/g, '"$1":""')
    .replace(/"ms":[\d.]+/, '"ms":0')
    .replace(/"user_id":\d+/, '"user_id":0')
  const kept = `${JSON.stringify({ file, line: kind })}\n`
  if (kinds.has(kept)) return
  kinds.add(kept)
  append('log', kept)
}

/** Remembers what no log may hold; what is short or an ordinary word may stand there for another reason. */
export function keepSecret(value: unknown): void {
  if (!isRun || typeof value !== 'string' || value.length < 10 || secrets.has(value)) return
  if (!/[\d@]/.test(value) && !/ /.test(value.trim())) return
  secrets.add(value)
  unwritten.push(`${JSON.stringify(value.slice(0, 200))}\n`)
  if (unwritten.length >= SECRETS_AT_ONCE) writeSecrets()
}

function writeSecrets(): void {
  if (unwritten.length > 0) append('secrets', unwritten.join(''))
  unwritten = []
}

process.once('exit', writeSecrets)

function append(ending: string, text: string): void {
  mkdirSync(runLog(), { recursive: true })
  appendFileSync(join(runLog(), `${process.pid}.${ending}`), text)
}

/** The file of the test that called, by the stack. */
function testFile(): string {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 50
  const { stack = '' } = new Error('to see who called')
  Error.stackTraceLimit = stackTraceLimit
  return /test\/[\w/-]+\.(?:test|browser)\.ts:\d+/.exec(stack)?.[0] ?? process.argv[1] ?? 'unknown'
}
