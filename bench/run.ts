import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus } from 'node:os'
import type { Bench } from './bench.ts'
import { prepareBench } from './bench.ts'
import type { Effort } from './rig.ts'
import { startRig } from './rig.ts'
import { growthRows } from './rows/growth.ts'
import { keyRows } from './rows/keys.ts'
import { loginRows } from './rows/login.ts'
import { memoryRows } from './rows/memory.ts'
import { refreshRows } from './rows/refresh.ts'
import { scaleRows } from './rows/scale.ts'
import { secrecyRows } from './rows/secrecy.ts'
import { startRows } from './rows/start.ts'
import { statementRows } from './rows/statements.ts'
import { statusRows } from './rows/status.ts'
import { stormRows } from './rows/storm.ts'
import type { Row } from './table.ts'
import { toMarkdown } from './table.ts'

const ROWS: Readonly<Record<string, (bench: Bench) => Promise<Row[]>>> = {
  status: statusRows,
  keys: keyRows,
  refresh: refreshRows,
  login: loginRows,
  storm: stormRows,
  memory: memoryRows,
  statements: statementRows,
  growth: growthRows,
  scale: scaleRows,
  start: startRows,
  secrecy: secrecyRows,
}
const FULL: Effort = { rounds: 3, seconds: 3 }
const QUICK: Effort = { rounds: 1, seconds: 0.3 }
const USAGE = `npm run bench -- [--quick] [${Object.keys(ROWS).join('] [')}]`

await main(process.argv.slice(2))

/** Measures what is asked for, or everything, and prints it beside what it must reach. It judges nothing. */
async function main(args: readonly string[]): Promise<void> {
  const names = args.filter((arg) => arg !== '--quick')
  const chosen = names.length > 0 ? names : Object.keys(ROWS)
  if (chosen.some((name) => !Object.hasOwn(ROWS, name))) {
    console.error(USAGE)
    process.exitCode = 64
    return
  }
  const effort = args.includes('--quick') ? QUICK : FULL
  const interruption = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => interruption.abort(signal))
  }
  const rows = await measure(chosen, effort, interruption.signal)
  if (interruption.signal.aborted) {
    process.kill(process.pid, interruption.signal.reason)
    return
  }
  console.log(toMarkdown(rows))
  console.log(`\n${circumstances(args)}`)
}

async function measure(names: readonly string[], effort: Effort, interruption: AbortSignal): Promise<Row[]> {
  const rig = await startRig(effort)
  const interrupted = new Promise<undefined>((resolve) => {
    interruption.addEventListener('abort', () => resolve(undefined), { once: true })
    if (interruption.aborted) resolve(undefined)
  })
  try {
    const rows: Row[] = []
    const work = async () => {
      const bench = await prepareBench(rig)
      for (const name of names) {
        if (interruption.aborted) return
        const start = performance.now()
        rows.push(...((await ROWS[name]?.(bench)) ?? []))
        console.error(`${name}: ${Math.round((performance.now() - start) / 1000)} s`)
      }
    }
    const working = work()
    await Promise.race([working, interrupted])
    // What is under way loses its processes, and its complaint about that is of no interest.
    if (interruption.aborted) working.catch(() => undefined)
    return rows
  } finally {
    await rig.stop()
  }
}

function circumstances(args: readonly string[]): string {
  const git = (...words: string[]) => {
    try {
      return execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    } catch {
      return ''
    }
  }
  const commit = git('rev-parse', '--short', 'HEAD') || 'unknown'
  const changed = git('status', '--porcelain', 'src') === '' ? '' : ' with changes'
  return [
    `\`npm run bench${args.length > 0 ? ` -- ${args.join(' ')}` : ''}\``,
    `${availableParallelism()} cores (${cpus()[0]?.model.trim()})`,
    `Node ${process.versions.node}`,
    `${process.platform} ${process.arch}`,
    `commit ${commit}${changed}`,
  ].join(' · ')
}
