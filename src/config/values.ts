import { isIP } from 'node:net'
import { Wrong } from './faults.ts'

/**
 * Reads the text of one setting. Pure, and the same in every environment: what only production forbids stands
 * in the table.
 */
export interface Parser<T> {
  /** Completes "expected …". */
  readonly expected: string
  /** How to make such a value, where that is not plain. */
  readonly recipe?: string
  readonly parse: (text: string) => T | Wrong
}

/** A whole number in decimal digits, both bounds included. */
export function integer(min: number, max: number): Parser<number> {
  return {
    expected: `a whole number from ${min} to ${max}`,
    parse(text) {
      if (!/^(0|[1-9]\d{0,14})$/.test(text)) return new Wrong('is no whole number')
      const value = Number(text)
      return value < min || value > max ? new Wrong('is out of range') : value
    },
  }
}

const unitSeconds = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3600],
  ['d', 86_400],
])

/**
 * Seconds in a text such as `30s`, `15m`, `12h` or `30d`; `undefined` for anything else, a bare number
 * included.
 */
export function secondsIn(text: string): number | undefined {
  const [, count, unit] = /^(0|[1-9]\d{0,8})([smhd])$/.exec(text) ?? []
  const seconds = unitSeconds.get(unit ?? '')
  return seconds === undefined ? undefined : Number(count) * seconds
}

/** A length of time with its unit, read as seconds; bounds are written the same way and included. */
export function duration(min: string, max: string): Parser<number> {
  const fits = (seconds: number) => seconds >= (secondsIn(min) ?? 0) && seconds <= (secondsIn(max) ?? 0)
  return {
    expected: `a length of time from ${min} to ${max}, written like 30s, 15m, 12h or 30d`,
    parse(text) {
      const seconds = secondsIn(text)
      if (seconds !== undefined) return fits(seconds) ? seconds : new Wrong('is out of range')
      if (!/^\d{1,12}$/.test(text)) return new Wrong('is no length of time')
      const guess = [Number(text), Number(text) / 1000].find((each) => Number.isInteger(each) && fits(each))
      return new Wrong(
        'has no unit, and a bare number is no length of time',
        guess === undefined ? 'add the unit: s, m, h or d' : `did you mean ${guess}s?`,
      )
    },
  }
}

/** One of a few words, spelled exactly. */
export function choice<const T extends string>(...words: readonly T[]): Parser<T> {
  const either = words.join(' | ')
  return {
    expected: either,
    parse: (text) => words.find((word) => word === text) ?? new Wrong('is none of the words it can be'),
  }
}

/** `on` is true, `off` is false; `true`, `1`, `yes` are nothing. */
export const onOff: Parser<boolean> = {
  expected: 'on | off',
  parse: (text) => (text === 'on' ? true : text === 'off' ? false : new Wrong('is neither on nor off')),
}

/** `true` or `false`, and no other words for them. */
export const trueFalse: Parser<boolean> = {
  expected: 'true | false',
  parse: (text) =>
    text === 'true' ? true : text === 'false' ? false : new Wrong('is neither true nor false'),
}

/** An address or a name to listen on, without scheme, brackets or port. */
export const host: Parser<string> = {
  expected: 'an IP address or a host name, without scheme and port',
  parse: (text) =>
    (isIP(text) !== 0 && !text.includes('%')) || isHostname(text)
      ? text
      : new Wrong('is neither address nor name'),
}

/**
 * Whether this is a host name of letters, digits and hyphens (RFC 1123 §2.1) that is not a mistyped IPv4
 * address.
 */
export function isHostname(text: string): boolean {
  if (text.length > 253 || /^[\d.]+$/.test(text)) return false
  return text.split('.').every((label) => /^[a-z\d]([a-z\d-]{0,61}[a-z\d])?$/i.test(label))
}

/** A directory, taken as it is written. */
export const directory: Parser<string> = { expected: 'a directory', parse: (text) => text }

/**
 * The value of `iss` or `aud`: a StringOrURI of RFC 7519 §2, one only, compared by verifiers byte for byte.
 */
export const stringOrUri: Parser<string> = {
  expected: 'one name or URI of up to 255 visible ASCII characters, without spaces and commas',
  parse(text) {
    if (!/^[!-+\--~]{1,255}$/.test(text)) return new Wrong('is not one plain name')
    return text.includes(':') && !URL.canParse(text) ? new Wrong('has a colon and is no URI') : text
  },
}

/** `a@b` or `Name <a@b>`. The name takes nothing that a mail library could read as a second address. */
export const mailbox: Parser<string> = {
  expected: '"no-reply@example.com" or "Example <no-reply@example.com>", without the quotes',
  parse(text) {
    const [, name, bracketed] = /^([^<>]*)<([^<>]*)>$/.exec(text) ?? []
    if (name !== undefined && !/^[^<>()[\],;:@\\"]{0,100}$/u.test(name)) {
      return new Wrong('has a name with punctuation in it that addresses are made of')
    }
    const [local = '', domain = '', ...more] = (bracketed ?? text).split('@')
    const good = /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}$/.test(local) && isHostname(domain) && more.length === 0
    return good ? text : new Wrong('is no mail address')
  },
}
