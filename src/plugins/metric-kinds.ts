/** A family of series in the text format of Prometheus: its name, and how it is written down at this moment. */
export interface Metric {
  readonly name: string
  lines(): readonly string[]
}

/** Names and values of labels; values are words of ours, never what a request brought. */
export type Labels = Readonly<Record<string, string>>

/** One series of a counter; held by whoever counts often, so that counting is an addition and no search. */
export interface Series {
  add(count?: number): void
}

export interface Counter extends Metric {
  /** The series of these labels, from 0 on. */
  of(labels?: Labels): Series
}

/** Counts up from the start of the process. `begun` are series that stand at 0 before anything was counted. */
export function createCounter(name: string, help: string, begun: readonly Labels[] = []): Counter {
  const { series, of } = createSeries(begun, createCount)
  return {
    name,
    of,
    lines: () => [
      ...heading(name, 'counter', help),
      ...[...series].map(([labels, { count }]) => `${name}${labels} ${count}`),
    ],
  }
}

/** What is so at this moment: a number, or one for each set of labels; or a counter that somebody else keeps. */
export function createGauge(
  name: string,
  help: string,
  read: () => number | readonly (readonly [Labels, number])[],
  type: 'gauge' | 'counter' = 'gauge',
): Metric {
  return {
    name,
    lines() {
      const now = read()
      const series: readonly (readonly [Labels, number])[] = typeof now === 'number' ? [[{}, now]] : now
      return [
        ...heading(name, type, help),
        ...series.map(([labels, value]) => `${name}${labelText(labels)} ${value}`),
      ]
    },
  }
}

/** One series of a histogram. */
export interface Observed {
  observe(value: number): void
}

export interface Histogram extends Metric {
  of(labels?: Labels): Observed
}

/** How many values were at most as large as each of `bounds`, which ascend. */
export function createHistogram(
  name: string,
  help: string,
  bounds: readonly number[],
  begun: readonly Labels[] = [],
): Histogram {
  const { series, of } = createSeries(begun, (labels) => createObserved(name, labels, bounds))
  return {
    name,
    of,
    lines: () => [
      ...heading(name, 'histogram', help),
      ...[...series.values()].flatMap((each) => each.lines()),
    ],
  }
}

/** The series of a family by their labels, each made when it is first asked for. */
function createSeries<One>(begun: readonly Labels[], make: (labels: Labels) => One) {
  const series = new Map<string, One>()
  function of(labels: Labels = {}): One {
    const key = labelText(labels)
    const known = series.get(key)
    if (known !== undefined) return known
    const fresh = make(labels)
    series.set(key, fresh)
    return fresh
  }
  for (const labels of begun) of(labels)
  return { series, of }
}

function createCount(): Series & { readonly count: number } {
  const one = {
    count: 0,
    add(count = 1) {
      one.count += count
    },
  }
  return one
}

function createObserved(name: string, labels: Labels, bounds: readonly number[]) {
  const counts = new Float64Array(bounds.length + 1)
  let sum = 0
  return {
    observe(value: number) {
      let at = 0
      while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1
      counts[at] = (counts[at] ?? 0) + 1
      sum += value
    },
    lines() {
      let total = 0
      const buckets = [...counts].map((count, at) => {
        total += count
        const le = at < bounds.length ? String(bounds[at]) : '+Inf'
        return `${name}_bucket${labelText({ ...labels, le })} ${total}`
      })
      const text = labelText(labels)
      return [...buckets, `${name}_sum${text} ${sum}`, `${name}_count${text} ${total}`]
    },
  }
}

/** Of latencies in seconds, from a status check to the longest that anything may take. */
export const LATENCY_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

function heading(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join()}}`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
