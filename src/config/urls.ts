import { Wrong } from './faults.ts'
import type { Parser } from './values.ts'

/** Our own address: http(s), a path if need be, nothing after it. Read without a trailing slash. */
export const baseUrl: Parser<string> = {
  expected: 'an absolute URL such as https://auth.example.com, with no query and no user in it',
  parse(text) {
    const url = webAddress(text)
    if (url instanceof Wrong) return url
    return text.includes('?') ? new Wrong('has a query') : url.href.replace(/\/+$/, '')
  },
}

/**
 * The address of a page. It may bring a query of its own, so a token is added with `URL.searchParams`, not
 * with `?`.
 */
export const pageUrl: Parser<string> = {
  expected:
    'an absolute http(s) URL such as https://app.example.com/verify, with no fragment and no user in it',
  parse(text) {
    const url = webAddress(text)
    return url instanceof Wrong ? url : url.href
  },
}

/** For `inProduction`: a link or an issuer that can be rewritten on the way is none. */
export function httpsOnly(url: string): Wrong | undefined {
  return url.startsWith('https://') ? undefined : new Wrong('is not https, which production demands')
}

/**
 * A connection string that `pg` understands, unchanged. The socket form names its directory:
 * `postgresql:///db?host=/dir`.
 */
export const postgresUrl: Parser<string> = {
  expected: 'postgres://user:password@host:5432/database, or postgresql:///database?host=/socket/directory',
  parse(text) {
    // `user@/db` is lawful for libpq and pg, but not for WHATWG URL, which wants a host after a user.
    const hostless = text.includes('@/')
    const url = address(hostless ? text.replace('@/', '@localhost/') : text, ['postgres', 'postgresql'])
    if (url instanceof Wrong) return url
    const named = url.searchParams.get('host') || (!hostless && url.hostname)
    return named ? text : new Wrong('names no host')
  },
}

/**
 * A connection string for nodemailer, unchanged. `smtps` is TLS from the first byte, `smtp` upgrades by
 * STARTTLS.
 */
export const smtpUrl: Parser<string> = {
  expected: 'smtp://user:password@host:587 or smtps://user:password@host:465',
  parse(text) {
    const url = address(text, ['smtp', 'smtps'])
    if (url instanceof Wrong) return url
    return url.hostname ? text : new Wrong('names no host')
  },
}

function webAddress(text: string): URL | Wrong {
  const url = address(text, ['http', 'https'])
  if (url instanceof Wrong) return url
  return url.username || url.password ? new Wrong('has a user or password in it') : url
}

function address(text: string, schemes: readonly string[]): URL | Wrong {
  const start = schemes.map((scheme) => `${scheme}://`)
  // WHATWG URL would mend `https:host` and `https:\\host`; whoever wrote that meant something else.
  if (!start.some((each) => text.startsWith(each)))
    return new Wrong(`does not begin with ${start.join(' or ')}`)
  if (/[\s\\]/.test(text)) return new Wrong('has a space or a backslash in it')
  if (text.includes('#')) return new Wrong('has a # in it', 'write %23 where it belongs to a password')
  // Decoded later, a line break here becomes one in an SMTP dialogue (GHSA-vvjj-xcjg-gr5g) or a query.
  if (/%([01][\da-f]|7f)/i.test(text)) return new Wrong('has an encoded control character in it')
  if (!decodes(text)) return new Wrong('has a % that encodes nothing', 'write %25 for a %')
  if (!URL.canParse(text)) {
    return new Wrong('cannot be read as a URL', 'percent-encode / ? # @ : and % inside user and password')
  }
  return new URL(text)
}

function decodes(text: string): boolean {
  try {
    return decodeURIComponent(text) !== ''
  } catch {
    return false
  }
}
