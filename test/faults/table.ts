import type { Row } from './fault.ts'

const HEAD = [
  'fault',
  'requests',
  'lost writes',
  'lost sessions',
  'refused (503)',
  'unanswered',
  'other 5xx',
  'slowest answer',
  'slowest check',
  'recovery',
  'reached?',
]

export function head(): string {
  return [line(HEAD), line(HEAD.map((_, column) => (column === 0 ? '---' : '---:')))].join('\n')
}

/** A row as it stands in the table. */
export function show(row: Row): string {
  const { fault, requests, lostWrites, lostSessions, refused, unanswered, otherErrors } = row
  const counts = [requests, lostWrites, lostSessions, refused, unanswered, otherErrors].map(String)
  const times = [row.slowestMs, row.slowestCheckMs, row.recoveryMs].map(seconds)
  return line([fault, ...counts, ...times, row.complaints.length === 0 ? 'yes' : '**no**'])
}

/** A fault that cannot happen here, and why. */
export function notRun(fault: string, why: string): string {
  return line([fault, ...HEAD.slice(2).map(() => '–'), `not run: ${why}`])
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 100 ? 2 : 1)} s`
}
