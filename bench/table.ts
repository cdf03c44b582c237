/** What a row must reach: a bound for its ratio or for its count, or only words where nothing is to be judged. */
export type Target = { readonly atLeast: number } | { readonly atMost: number } | { readonly told: string }

/** A line of the table. */
export interface Row {
  readonly what: string
  readonly measured: string
  readonly yardstick: string
  /** Of each round, or a single count; its median is judged. Empty where nothing is. */
  readonly rounds: readonly number[]
  readonly target: Target
  /** How the target reads, where it is no ratio. */
  readonly unit?: string
}

const HEAD = ['what', 'measured', 'yardstick', 'ratio', 'target', 'reached?']

/** The table in Markdown. */
export function toMarkdown(rows: readonly Row[]): string {
  const lines = [HEAD, HEAD.map(() => '---'), ...rows.map(cells)]
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n')
}

function cells({ what, measured, yardstick, rounds, target, unit }: Row): string[] {
  const ratio = unit === undefined && rounds.length > 0 ? ratioOf(rounds) : ''
  return [what, measured, yardstick, ratio, describe(target, unit ?? ''), verdict(median(rounds), target)]
}

/** The median, and between which two the rounds lay: on a shared machine that tells what it is worth. */
function ratioOf(rounds: readonly number[]): string {
  const short = (value: number) => value.toFixed(2)
  if (rounds.length === 1) return short(median(rounds))
  return `${short(median(rounds))} (${short(Math.min(...rounds))}–${short(Math.max(...rounds))})`
}

function describe(target: Target, unit: string): string {
  if ('told' in target) return target.told
  return 'atLeast' in target ? `≥ ${target.atLeast}${unit}` : `≤ ${target.atMost}${unit}`
}

function verdict(value: number, target: Target): string {
  if ('told' in target || Number.isNaN(value)) return '–'
  const reached = 'atLeast' in target ? value >= target.atLeast : value <= target.atMost
  return reached ? 'reached' : 'short'
}

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
}

/** 20900 → 20,900; 0.123 → 0.12. */
export function count(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Math.round(value * 100) / 100)
}
