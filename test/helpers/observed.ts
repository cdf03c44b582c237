import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type pg from 'pg'
import { plain } from '../../tools/plain.mjs'
import type { Settings } from './app.ts'
import type { Teardown } from './postgres.ts'
import { createTestDatabase } from './postgres.ts'
import { keepPrinted } from './run-log.ts'

/** A line that takes longer, on a machine however busy, is never written. */
const LINE_WITHIN_MS = 30_000

/** A service in a process of its own, as those who run it see it: by its log and its metrics. */
export interface ObservedService {
  readonly url: string
  readonly pool: pg.Pool
  readonly databaseUrl: string
  /** Every line so far, as it was written. */
  readonly lines: readonly string[]
  /** The line of the request with this id, once it is written. */
  lineOf(requestId: string | null): Promise<Record<string, unknown>>
  /** The first line with these words, once it is written. */
  lineWith(words: string): Promise<Record<string, unknown>>
  readonly metricsUrl: string
  metrics(): Promise<string>
}

export async function startObserved(t: Teardown, settings: Settings = {}): Promise<ObservedService> {
  const { url: databaseUrl, pool } = await createTestDatabase(t)
  const child = fork(plain('test/helpers/observed-child.ts'), [databaseUrl, JSON.stringify(settings)], {
    execArgv: [],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  t.teardown(async () => {
    if (child.exitCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    await exit
  })
  const lines: string[] = []
  const { stdout } = child
  if (stdout === null) throw new Error('the child has no output')
  keepPrinted(stdout)
  const reader = createInterface({ input: stdout }).on('line', (line) => lines.push(line))
  const [{ url, metrics }] = await once(child, 'message')
  async function lineWith(words: string): Promise<Record<string, unknown>> {
    for (;;) {
      const line = lines.find((each) => each.includes(words))
      if (line !== undefined) return JSON.parse(line)
      await once(reader, 'line', { signal: AbortSignal.timeout(LINE_WITHIN_MS) })
    }
  }
  return {
    url,
    pool,
    databaseUrl,
    lines,
    metricsUrl: metrics,
    lineWith,
    lineOf: (requestId) => lineWith(`"request_id":"${requestId}"`),
    metrics: async () => (await fetch(metrics)).text(),
  }
}

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Exposition {
  /** Of each family, what it is and what it says of itself. */
  readonly families: ReadonlyMap<string, { readonly type: string; readonly help: string }>
  readonly samples: readonly Sample[]
}

/** Reads the text format of Prometheus, and takes nothing that its grammar does not have. */
export function readExposition(text: string): Exposition {
  const families = new Map<string, { type: string; help: string }>()
  const samples: Sample[] = []
  const seen = new Set<string>()
  let help: [string, string] | undefined
  let family = ''
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  for (const line of text.slice(0, -1).split('\n')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) ([a-z][a-z0-9_]*) (.+)$/.exec(line) ?? []
    if (kind === 'HELP') {
      if (families.has(name)) throw new Error(`${name} stands there twice`)
      help = [name, rest]
    } else if (kind === 'TYPE') {
      if (help?.[0] !== name || !/^(counter|gauge|histogram)$/.test(rest)) throw new Error(`no good: ${line}`)
      families.set(name, { type: rest, help: help[1] })
      family = name
    } else {
      const [, sample = '', labels = '', value = ''] =
        /^([a-z][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\]|\\["\\n])*",?)+)\})? (\S+)$/.exec(line) ?? []
      const base =
        families.get(family)?.type === 'histogram' ? sample.replace(/_(bucket|sum|count)$/, '') : sample
      if (base !== family || !Number.isFinite(Number(value)))
        throw new Error(`no sample of ${family}: ${line}`)
      const key = line.slice(0, line.lastIndexOf(' '))
      if (seen.has(key)) throw new Error(`a series stands there twice: ${key}`)
      seen.add(key)
      const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)]
      samples.push({
        name: sample,
        labels: Object.fromEntries(pairs.map(([, label = '', text = '']) => [label, text])),
        value: Number(value),
      })
    }
  }
  return { families, samples }
}
