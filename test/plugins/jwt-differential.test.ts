import { createPublicKey } from 'node:crypto'
import { jwtVerify } from 'jose'
import t from 'tap'
import { signedIn } from '../helpers/accounts.ts'
import type { ForgersKey } from '../helpers/forged-tokens.ts'
import { signInput } from '../helpers/forged-tokens.ts'
import { ALGORITHMS } from '../helpers/keys.ts'
import { serviceSigning } from '../helpers/signers.ts'

/**
 * Our verification beside that of jose, which shares no line with it, over tokens that are a little wrong. Where the
 * two disagree, one of the reasons below must be why; a reason that nothing needs any more has to go.
 */
const SEED = Number(process.env['KEYTURN_SEED'] ?? 20_261_121)
const TOKENS = Number(process.env['KEYTURN_TOKENS'] ?? 1500)

interface Disagreement {
  readonly token: string
  /** Whether Keyturn believes it; jose does the opposite. */
  readonly ours: boolean
  /** As it stands in good tokens. */
  readonly header: string
}

const REASONS: readonly { readonly why: string; readonly fits: (each: Disagreement) => boolean }[] = [
  {
    why: 'jose parses any header and takes what it knows of it; we read none but the one that we write, to the byte',
    fits: ({ token, ours, header }) => !ours && token.split('.')[0] !== header,
  },
  {
    why: 'jose decodes base64url with unused bits at its end, as a second spelling; we know one spelling',
    fits: ({ token, ours }) => !ours && token.split('.').some((part) => !isCanonical(part)),
  },
  {
    why: 'jose wants iat to be a number wherever it stands; here `own` gives it away, one step later',
    fits: ({ token, ours }) => ours && typeof claimOf(token, 'iat') !== 'number',
  },
  {
    why: 'jose takes off a byte order mark before the payload; to us it is no JSON',
    fits: ({ token, ours }) => !ours && token.split('.')[1]?.startsWith('77u_') === true,
  },
]
const used = new Set<string>()

for (const algorithm of ALGORITHMS) {
  t.test(`${algorithm}: jose and Keyturn agree, but for reasons that are known (seed ${SEED})`, async (t) => {
    const { service, key } = await serviceSigning(t, algorithm)
    const { access } = await signedIn(service)
    const { access: other } = await signedIn(service)
    const chance = createChance(SEED)
    const [header = ''] = access.split('.')
    const believed = { both: 0, ours: 0, theirs: 0, neither: 0 }
    const unexplained: string[] = []
    for (let round = 0; round < TOKENS; round += 1) {
      const token = mutate(round % 10 === 0 ? other : access, other, key, chance)
      const ours = service.app.jwtSigner.verify(token)
      const theirs = await joseBelieves(token, key)
      believed[ours ? (theirs ? 'both' : 'ours') : theirs ? 'theirs' : 'neither'] += 1
      // Signed anew with the very same claims, as some algorithms do with chance, it is the same token.
      const isGood = [access, other].some((good) =>
        token.startsWith(good.slice(0, good.lastIndexOf('.') + 1)),
      )
      if (service.app.accessTokens.verify(token) !== undefined && !isGood) {
        t.fail(`obeyed: ${token}`)
      }
      if (ours === theirs) continue
      const reason = REASONS.find(({ fits }) => fits({ token, ours, header }))
      if (reason === undefined) unexplained.push(`${ours ? 'ours' : 'theirs'}: ${describe(token)}`)
      else used.add(reason.why)
    }
    t.same([...new Set(unexplained)].slice(0, 20), [], `of ${JSON.stringify(believed)}`)
    t.ok(believed.both > 20 && believed.neither > 200, JSON.stringify(believed))
  })
}

t.test('every reason is needed', async (t) => {
  t.same([...used].sort(), REASONS.map(({ why }) => why).sort())
})

async function joseBelieves(token: string, key: ForgersKey): Promise<boolean> {
  const secret = key.algorithm === 'HS256' ? key.key : createPublicKey(key.key)
  const keyOf = ({ kid }: { kid?: string }) => {
    if (kid !== key.kid) throw new Error('no such key')
    return secret
  }
  try {
    await jwtVerify(token, keyOf, {
      algorithms: [key.algorithm],
      issuer: 'http://keyturn.test',
      audience: 'keyturn',
      typ: 'at+jwt',
      requiredClaims: ['iss', 'aud', 'sub', 'iat', 'exp', 'jti'],
    })
    return true
  } catch {
    return false
  }
}

/** A number from 0 up to the bound, the same for the same seed (mulberry32). */
function createChance(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const VALUES: readonly unknown[] = [
  undefined,
  null,
  '',
  'x',
  0,
  -1,
  1,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  1.5,
  true,
  [],
  {},
  ['keyturn'],
  ['x', 'keyturn'],
  ['http://keyturn.test'],
  'keyturn',
  'http://keyturn.test',
  'http://keyturn.test/',
  'none',
  'at+jwt',
  'application/at+jwt',
  'AT+JWT',
  9_999_999_999,
  '9999999999',
]
const HEADER_NAMES = ['alg', 'typ', 'kid', 'crit', 'b64', 'jwk', 'jku', 'cty', 'x', 'zip', '__proto__']
const CLAIM_NAMES =
  'iss aud sub iat exp jti nbf sid gen token_type roles user_id x __proto__ constructor'.split(' ')
const CHARACTERS = 'ABCDEFGHabcdefgh0189-_=+/.~ \n%\0é'

/** One thing wrong, seldom nothing; signed well again where the signature would tell at once. */
function mutate(token: string, other: string, key: ForgersKey, chance: (below: number) => number): string {
  const parts = token.split('.')
  const [header = '', payload = '', signature = ''] = parts
  const again = (head: string, body: string) => {
    const input = `${head}.${body}`
    return `${input}.${signInput(key, input)}`
  }
  const encode = (text: string) => Buffer.from(text).toString('base64url')
  switch (chance(12)) {
    case 0:
      return token
    case 1:
      return replaceAt(token, chance(token.length), CHARACTERS[chance(CHARACTERS.length)] ?? '')
    case 2: {
      const at = chance(token.length)
      return token.slice(0, at) + token.slice(at + 1 + chance(3))
    }
    case 3: {
      const at = chance(token.length + 1)
      return token.slice(0, at) + CHARACTERS[chance(CHARACTERS.length)] + token.slice(at)
    }
    case 4:
      return parts.with(chance(3), other.split('.')[chance(3)] ?? '').join('.')
    case 5:
      return again(encode(changeJson(header, HEADER_NAMES, chance)), payload)
    case 6:
    case 7:
    case 8:
      return again(header, encode(changeJson(payload, CLAIM_NAMES, chance)))
    case 9:
      return again(header, encode(spell(payload, chance)))
    case 10:
      return again(encode(spell(header, chance)), payload)
    default: {
      const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
      return `${header}.${payload}.${signature.slice(0, -1)}${last[chance(64)]}`
    }
  }
}

function changeJson(segment: string, names: readonly string[], chance: (below: number) => number): string {
  const json: Record<string, unknown> = JSON.parse(Buffer.from(segment, 'base64url').toString())
  const name = names[chance(names.length)] ?? ''
  const value = VALUES[chance(VALUES.length)]
  // By hand, for no object literal can hold what JSON can.
  const entries = Object.entries(json).filter(([each]) => each !== name)
  const text = value === Number.POSITIVE_INFINITY ? '1e999' : JSON.stringify(value)
  const written = entries.map(([each, held]) => `${JSON.stringify(each)}:${JSON.stringify(held)}`)
  if (text !== undefined) written.splice(chance(written.length + 1), 0, `${JSON.stringify(name)}:${text}`)
  return `{${written.join(',')}}`
}

/** The same, or nearly, in other letters. */
function spell(segment: string, chance: (below: number) => number): string {
  const text = Buffer.from(segment, 'base64url').toString()
  switch (chance(9)) {
    case 0:
      return ` ${text}`
    case 1:
      return `${text}\n`
    case 2:
      return text.replace(',', ', ')
    case 3:
      return text.replace('{', '{"exp":1,')
    case 4:
      return text.replace('"a', '"\\u0061')
    case 5:
      return `\ufeff${text}`
    case 6:
      return text.slice(0, -1)
    case 7:
      return `[${text}]`
    default:
      return JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text)).reverse()))
  }
}

function replaceAt(text: string, at: number, by: string): string {
  return text.slice(0, at) + by + text.slice(at + 1)
}

function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part
}

function claimOf(token: string, name: string): unknown {
  try {
    const claims: Record<string, unknown> = JSON.parse(
      Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
    )
    return claims[name]
  } catch {
    return undefined
  }
}

/** What a person has to see of it. */
function describe(token: string): string {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const plain = (part: string) => Buffer.from(part, 'base64url').toString()
  return `${plain(header)} ${plain(payload)} ${signature.length} characters of signature`
}
