import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import t from 'tap'
import type { TestApp } from '../helpers/app.ts'
import { post } from '../helpers/client.ts'
import { startAll } from './helpers.ts'

/** What was asked of the real packages and what they answered; see README.md beside the transcripts. */
interface Exchange {
  readonly title: string
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers?: Readonly<Record<string, string>>
    readonly json?: unknown
    readonly form?: Readonly<Record<string, string>>
    readonly body?: string
  }
  /** How often it is asked; the last answer counts. */
  readonly times?: number
  /** Values of the answer that later requests send. */
  readonly take?: Readonly<Record<string, string>>
  /** Where the answer is from, if not from a package. */
  readonly source?: string
  readonly answer: Recorded
  readonly differences?: readonly Difference[]
}

interface Recorded {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

/** What we answer otherwise, and why. */
interface Difference {
  /** Path into the answer, with dots. */
  readonly at: string
  /** Left out where we have nothing of the kind. */
  readonly ours?: unknown
  readonly why: string
}

const DIRECTORY = new URL('./transcripts/', import.meta.url)
const COMPARED_HEADERS = ['allow', 'vary', 'www-authenticate', 'retry-after']
const PEOPLE = [
  { username: 'ada', email: 'ada@example.org', password: 'a cup of stars' },
  { username: 'bob', email: 'bob@example.org', password: 'a cup of comets' },
]

for (const file of readdirSync(DIRECTORY).filter((name) => name.endsWith('.json'))) {
  t.test(
    `Keyturn answers as ${file} was recorded, field by field, but for the differences listed there`,
    async (t) => {
      const exchanges = JSON.parse(readFileSync(new URL(file, DIRECTORY), 'utf8')) as Exchange[]
      const service = await startAll(t, { RATE_LIMIT: 'on' })
      for (const person of PEOPLE) t.equal((await post(`${service.url}/register`, person)).status, 201)
      const taken = new Map<string, string>()
      for (const exchange of exchanges) {
        const answer = await play(service, exchange, taken)
        t.same(blurred(answer, expected(exchange)), expected(exchange), `${file}: ${exchange.title}`)
        for (const { at, ours, why } of exchange.differences ?? []) {
          t.notSame(valueAt(exchange.answer, at), ours, `${exchange.title}: ${at} does differ`)
          t.match(why, /^[A-Z].{20,}\.$/, `${exchange.title}: a reason for ${at}`)
        }
      }
    },
  )
}

async function play(service: TestApp, exchange: Exchange, taken: Map<string, string>): Promise<Recorded> {
  const filled = JSON.stringify(exchange.request).replace(/<(\w+)>/g, (all, name) => taken.get(name) ?? all)
  const asked: Exchange['request'] = JSON.parse(filled)
  let answer = await send(service, asked)
  for (let count = 1; count < (exchange.times ?? 1); count += 1) answer = await send(service, asked)
  for (const [name, at] of Object.entries(exchange.take ?? {}))
    taken.set(name, String((answer.body as Record<string, unknown>)[at]))
  return answer
}

/** By hand, so that not a header goes out that the transcript does not have. */
function send(service: TestApp, asked: Exchange['request']): Promise<Recorded> {
  const { method, path, headers = {}, json, form } = asked
  const [type, body] =
    json !== undefined
      ? ['application/json', JSON.stringify(json)]
      : form !== undefined
        ? ['application/x-www-form-urlencoded', new URLSearchParams(form).toString()]
        : [undefined, asked.body]
  const all = {
    ...headers,
    ...(type && { 'content-type': type }),
    'content-length': Buffer.byteLength(body ?? ''),
  }
  return new Promise((resolve, reject) => {
    const sent = request(service.url + path, { method, headers: all }, async (response) => {
      const text = (await response.setEncoding('utf8').toArray()).join('')
      const kept = COMPARED_HEADERS.flatMap((name) => {
        const value = response.headers[name]
        return value === undefined ? [] : [[name, String(value)]]
      })
      const isJson = response.headers['content-type']?.includes('json') === true
      resolve({
        status: response.statusCode ?? 0,
        headers: Object.fromEntries(kept),
        body: isJson ? JSON.parse(text) : null,
      })
    })
    sent.on('error', reject).end(body)
  })
}

/** The recorded answer with our differences put in. */
function expected({ answer, differences = [] }: Exchange): Recorded {
  const copy: Recorded = structuredClone(answer)
  for (const difference of differences) put(copy, difference.at.split('.'), difference)
  return copy
}

function put(within: object, [name = '', ...rest]: string[], difference: Difference): void {
  const at = within as Record<string, unknown>
  if (rest.length > 0) put(at[name] as object, rest, difference)
  else if ('ours' in difference) at[name] = difference.ours
  else delete at[name]
}

function valueAt(answer: Recorded, at: string): unknown {
  return at
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], answer)
}

/** What we answered, with whatever changes from one time to the next written as the transcript writes it. */
function blurred(ours: unknown, theirs: unknown): unknown {
  if (theirs === '<any string>') return typeof ours === 'string' && ours !== '' ? theirs : ours
  if (theirs === '<any number>') return typeof ours === 'number' ? theirs : ours
  if (theirs === '<any time>')
    return /^(?:\d+|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)$/.test(String(ours)) ? theirs : ours
  if (typeof theirs === 'string' && theirs.includes('<any>') && typeof ours === 'string')
    return ours.replace(/\d+/, '<any>')
  if (Array.isArray(ours) && Array.isArray(theirs)) return ours.map((each, at) => blurred(each, theirs[at]))
  if (typeof ours !== 'object' || ours === null || typeof theirs !== 'object' || theirs === null) return ours
  const known = theirs as Record<string, unknown>
  return Object.fromEntries(Object.entries(ours).map(([name, value]) => [name, blurred(value, known[name])]))
}
