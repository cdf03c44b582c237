import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a process has used: CPU since its start, in microseconds, and the memory it holds now. */
export interface Usage {
  readonly cpuMicros: number
  readonly rssBytes: number
}

const MICROS_PER_TICK = 10_000

/**
 * CPU of a Postgres and all its processes since their start, in microseconds; `undefined` where there is no /proc.
 * Backends that have ended in between are missing, so take it while the same connections are open.
 */
export function postgresCpuMicros(dataDir: string): number | undefined {
  try {
    const postmaster = readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]
    const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    return processes
      .map(statOf)
      .filter((stat) => stat?.pid === postmaster || stat?.parent === postmaster)
      .reduce((sum, stat) => sum + (stat?.ticks ?? 0) * MICROS_PER_TICK, 0)
  } catch {
    return undefined
  }
}

/** proc(5): the name in brackets may hold anything, so count the fields from its end. */
function statOf(pid: string): { pid: string; parent: string; ticks: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { pid, parent: fields[1] ?? '', ticks: Number(fields[11]) + Number(fields[12]) }
  } catch {
    // It ended while we were looking.
    return undefined
  }
}
