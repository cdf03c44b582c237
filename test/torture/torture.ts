import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { Adapter, OpenAdapter } from './adapter.ts'
import { FAMILIES } from './families.ts'
import { plan, SCORED } from './plan.ts'
import { rowsOf, tableOf } from './score.ts'
import { scoreServer } from './score-server.ts'
import { tryServer } from './trial.ts'

const USAGE = `npm run torture -- [--seed N] [--refreshes N] [--adapter ./my-adapter.ts] [--replay family:number]`
const EXIT_USAGE = 64
const REPORT_EVERY_MS = 15_000

interface Options {
  readonly seed: number
  readonly refreshes: number
  readonly adapter: string | undefined
  readonly replay: readonly [family: number, n: number] | undefined
}

async function main({ seed, refreshes, adapter: path, replay }: Options): Promise<void> {
  // Nobody reads the stacks of a million refusals.
  Error.stackTraceLimit = 20
  const adapter = await openAdapter(path)
  try {
    if (replay === undefined) await score(adapter, seed, refreshes)
    else await show(adapter, seed, replay)
  } finally {
    await adapter.close()
  }
}

async function openAdapter(path: string | undefined): Promise<Adapter> {
  const url =
    path === undefined ? new URL('./keyturn-adapter.ts', import.meta.url) : pathToFileURL(resolve(path))
  const { openAdapter }: { openAdapter?: OpenAdapter } = await import(url.href)
  if (openAdapter === undefined)
    throw new Error(`${url.pathname} exports no openAdapter: see docs/torture.md`)
  return openAdapter()
}

async function score(adapter: Adapter, seed: number, refreshes: number): Promise<void> {
  const start = performance.now()
  const seconds = () => Math.round((performance.now() - start) / 1000)
  const interruption = new AbortController()
  // What is under way goes on to its end, and the table is of what was done by then; a second Ctrl-C ends all.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interruption.abort())

  let reportedAt = start
  const score = await scoreServer(adapter, {
    seed,
    refreshes,
    schedules: plan(SCORED),
    interruption: interruption.signal,
    onTrial({ refreshes: done, schedules, findings }) {
      if (performance.now() < reportedAt + REPORT_EVERY_MS) return
      reportedAt = performance.now()
      const figures = `${done} of ${refreshes} refreshes, ${schedules} schedules, ${findings.length} findings`
      console.error(`${seconds()} s: ${figures}`)
    },
  })

  const rows = rowsOf(score)
  console.log(tableOf(rows))
  console.log(`\n${circumstances(adapter, seed, score.refreshes, score.schedules, seconds())}`)
  for (const { what, replay } of score.findings.slice(0, 20)) {
    console.log(`${what}: --seed ${seed} --replay ${replay} (${nameOf(replay)})`)
  }
  if (score.refreshes < refreshes) console.log(`Ended early: ${refreshes} refreshes were asked for.`)
  const isMissed = rows.some(({ isReached }) => isReached === false)
  if (isMissed || score.refreshes < refreshes) process.exitCode = 1
}

const nameOf = (replay: string) => FAMILIES[Number(replay.split(':')[0])]?.name

/** One schedule alone, with all its steps. */
async function show(adapter: Adapter, seed: number, [family, n]: readonly [number, number]): Promise<void> {
  const { log, schedule, ledger, recordedReplays } = await tryServer(adapter, family, seed, n, true)
  console.log(`${FAMILIES[family]?.name}\n${JSON.stringify(schedule)}\n${log.join('\n')}`)
  const { replays, crossings } = ledger
  console.log(
    `replays ${JSON.stringify({ ...replays, crossings })}, recorded ${JSON.stringify(recordedReplays)}`,
  )
  console.log(schedule.thief === undefined ? (ledger.falseLogout ?? 'no false logout') : ledger.theft)
}

function circumstances(
  adapter: Adapter,
  seed: number,
  refreshes: number,
  schedules: number,
  seconds: number,
): string {
  const count = (many: number) => many.toLocaleString('en')
  return [
    `\`npm run torture${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(' ')}` : ''}\``,
    `${adapter.name}, ${count(refreshes)} refreshes over ${adapter.transport}`,
    `${count(schedules)} schedules of seed ${seed}`,
    `${seconds} s on ${availableParallelism()} cores`,
    `Node ${process.versions.node}`,
    `commit ${commit()}`,
  ].join(' · ')
}

function commit(): string {
  try {
    const git = (...words: string[]) =>
      execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', 'src') === '' ? '' : ' with changes'}`
  } catch {
    return 'unknown'
  }
}

function readOptions(args: readonly string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seed: { type: 'string', default: '1' },
        refreshes: { type: 'string', default: '1000000' },
        adapter: { type: 'string' },
        replay: { type: 'string' },
      },
    })
    const { adapter, replay } = values
    const [seed, refreshes] = [Number(values.seed), Number(values.refreshes)]
    const [family = Number.NaN, n = Number.NaN] = replay?.split(':').map(Number) ?? []
    const isReplayWrong = replay !== undefined && (FAMILIES[family] === undefined || !Number.isInteger(n))
    if (!Number.isInteger(seed) || !(refreshes > 0) || isReplayWrong) return undefined
    return { seed, refreshes, adapter, replay: replay === undefined ? undefined : [family, n] }
  } catch {
    return undefined
  }
}

const options = readOptions(process.argv.slice(2))
if (options === undefined) {
  console.error(USAGE)
  process.exitCode = EXIT_USAGE
} else await main(options)
