import { isIP } from 'node:net'
import { Wrong } from './faults.ts'
import type { Parser } from './values.ts'
import { stringOrUri } from './values.ts'

/** A dialect and the path it is mounted under: `/`, or segments with no slash at the end. */
export interface DialectMount {
  readonly name: DialectName
  readonly prefix: string
}

const DIALECT_NAMES = ['canonical', 'authtoken', 'signup', 'simplejwt', 'knox'] as const
export type DialectName = (typeof DIALECT_NAMES)[number]

/** `name=/prefix,…`, canonical among them, each name once. */
export const dialects: Parser<readonly DialectMount[]> = {
  expected:
    'name=/prefix, separated by commas, canonical among them, such as canonical=/ or canonical=/api/auth',
  parse(text) {
    const mounts = readList(text, dialect)
    if (mounts instanceof Wrong) return mounts
    const names = mounts.map(({ name }) => name)
    const twice = names.find((name, at) => names.indexOf(name) !== at)
    if (twice !== undefined) return new Wrong(`mounts ${twice} twice`)
    return names.includes('canonical') ? mounts : new Wrong('does not mount canonical')
  },
}

function dialect(item: string): DialectMount | Wrong {
  const [, given = '', prefix = ''] = /^([^=]*)=(.*)$/.exec(item) ?? []
  const name = DIALECT_NAMES.find((each) => each === given)
  if (name === undefined)
    return new Wrong('names no dialect of Keyturn', `one of ${DIALECT_NAMES.join(', ')}`)
  if (!/^(\/|(\/(?!\.{1,2}(\/|$))[\w.~-]+)+)$/.test(prefix)) {
    return new Wrong('has a prefix that is neither / nor a path like /api/auth', 'no slash at its end')
  }
  return { name, prefix }
}

/**
 * Origins as a browser sends them (RFC 6454 §6.2), to be compared whole. Web views send schemes of their own.
 */
export const origins: Parser<readonly string[]> = {
  expected: 'origins as the browser sends them, separated by commas, such as https://app.example.com',
  parse: (text) => readList(text, origin),
}

function origin(item: string): string | Wrong {
  if (item.includes('*')) return new Wrong('has a *, which would let any site in')
  if (item === 'null') return new Wrong('is null, which any sandboxed page can send')
  const web = /^https?:/i.test(item)
  if (web && URL.canParse(item)) {
    const { origin: exact, username } = new URL(item)
    if (exact === item) return item
    return new Wrong('is not what a browser sends', username ? undefined : `write ${exact}`)
  }
  const scheme = /^([a-z][a-z\d+.-]*):\/\/[a-z\d][a-z\d.-]*(:\d{1,5})?$/.exec(item)?.[1]
  return web || scheme === undefined ? new Wrong('is no origin') : item
}

/** Names of profile fields, each once. */
export const fieldNames: Parser<readonly string[]> = {
  expected: 'names of profile fields, separated by commas, such as organisation_type,city',
  parse(text) {
    const names = readList(text, (item) =>
      /^[\w.-]{1,64}$/.test(item)
        ? item
        : new Wrong('is no plain name of up to 64 letters, digits and _ . -'),
    )
    if (names instanceof Wrong || new Set(names).size === names.length) return names
    return new Wrong('names a field twice')
  },
}

/** Values of `aud`, each once. */
export const audiences: Parser<readonly string[]> = {
  expected: 'names or URIs of audiences, separated by commas, such as billing,https://reports.example.com',
  parse(text) {
    const names = readList(text, stringOrUri.parse)
    if (names instanceof Wrong || new Set(names).size === names.length) return names
    return new Wrong('names an audience twice')
  },
}

/**
 * Networks of trusted reverse proxies. Nothing that a client could stand in: no `true`, no hop count, no name
 * (CVE-2026-16732).
 */
export const networks: Parser<readonly string[]> = {
  expected: 'networks of your proxies in CIDR form, separated by commas, such as 10.0.0.0/8,fd00::/8',
  parse: (text) => readList(text, network),
}

function network(item: string): string | Wrong {
  if (/^\d+$/.test(item)) return new Wrong('is a hop count, which a client can fill up by itself')
  if (isIP(item) !== 0)
    return new Wrong('has no prefix length', `write /${isIP(item) === 4 ? 32 : 128} after it`)
  const [, base = '', digits = ''] = /^([^/%]*)\/(\d{1,3})$/.exec(item) ?? []
  const family = isIP(base)
  if (family === 0) return new Wrong('is no network', 'no names and no true: write the networks themselves')
  const [widest, narrowest] = family === 4 ? [8, 32] : [7, 128]
  const length = Number(digits)
  // proxy-addr compares IPv4 peers with these too: ::ffff:0:0/96 and all that holds it is the whole of IPv4.
  if (/^[0:]*:ffff:/i.test(base) || (family === 6 && /^0*:/.test(base) && length < 96)) {
    return new Wrong('holds IPv4 written as IPv6', 'write it as IPv4')
  }
  if (length > narrowest) return new Wrong('has a prefix length that does not exist')
  return length < widest ? new Wrong(`is wider than /${widest} and holds strangers`) : item
}

/**
 * Entries between commas; empty text is the empty list. Entries are named by position, for they may be
 * misplaced secrets.
 */
export function readList<T>(text: string, readItem: (item: string) => T | Wrong): T[] | Wrong {
  const values: T[] = []
  const wrongs: Wrong[] = []
  const items = text === '' ? [] : text.split(',').map((item) => item.trim())
  items.forEach((item, index) => {
    const value = item === '' ? new Wrong('is empty') : readItem(item)
    if (!(value instanceof Wrong)) values.push(value)
    else if (items.length === 1) wrongs.push(value)
    else wrongs.push(new Wrong(`entry ${index + 1} ${value.problem}`, value.remedy))
  })
  return wrongs.length === 0 ? values : joined(wrongs)
}

function joined(wrongs: readonly Wrong[]): Wrong {
  const remedies = wrongs.flatMap((wrong) => wrong.remedy ?? [])
  const problem = wrongs.map((wrong) => wrong.problem).join(', ')
  return new Wrong(problem, remedies.length === 0 ? undefined : [...new Set(remedies)].join(', '))
}
