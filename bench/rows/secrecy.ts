import { randomInt } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request } from 'node:http'
import type { Bench } from '../bench.ts'
import { BCRYPT_COST } from '../bench.ts'
import { mannWhitney } from '../mann-whitney.ts'
import type { Service } from '../rig.ts'
import type { Row } from '../table.ts'
import { count, median } from '../table.ts'

interface Probe {
  readonly path: string
  body(name: string, turn: number): Record<string, string>
}

/** Verified accounts are user1, user2 and so on; nobody is called nobody1. */
const PROBES: readonly Probe[] = [
  { path: '/token', body: (name) => ({ username: name, password: 'a wrong but long password' }) },
  {
    path: '/token',
    body: (name) => ({ email: `${name}@example.com`, password: 'a wrong but long password' }),
  },
  {
    path: '/register',
    body: (name, turn) => ({
      username: `newcomer${turn}`,
      email: `${name}@example.com`,
      password: 'a cup of stars',
    }),
  },
  { path: '/request-reset', body: (name) => ({ email: `${name}@example.com` }) },
  { path: '/resend-verification', body: (name) => ({ email: `${name}@example.com` }) },
]

const TURNS = 300
const TURNS_QUICK = 20
/** A row is about as likely as this to say "short" although there is nothing to find. */
const FALSE_ALARM = 0.01

/**
 * What a stranger can learn from the answers about who has an account: status, headers and body must be the same,
 * and how long they take must not be separable by the Mann-Whitney U test. Known and unknown names come in random
 * order by one connection, and from ever new addresses, so that the guards stay in force.
 */
export async function secrecyRows({ rig }: Bench): Promise<Row[]> {
  const turns = rig.effort.rounds > 1 ? TURNS : TURNS_QUICK
  const people = PROBES.length * (turns + 1)
  const database = await rig.database('secrecy', { users: people, sessions: 1 })
  const service = await rig.service(database, {
    BCRYPT_COST: String(BCRYPT_COST),
    EMAIL_VERIFICATION: 'required',
    RATE_LIMIT: 'on',
    TRUST_PROXY: '127.0.0.1/32',
  })
  const rows: Row[] = []
  for (const [index, probe] of PROBES.entries()) {
    rows.push(await probeRow(service, probe, { turns, first: 1 + index * (turns + 1) }))
  }
  await service.stop()
  return rows
}

async function probeRow(
  service: Service,
  probe: Probe,
  range: { turns: number; first: number },
): Promise<Row> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const times: Record<Kind, number[]> = { user: [], nobody: [] }
  const answers = new Set<string>()
  for (const [turn, kind] of shuffled(range.turns).entries()) {
    const number = range.first + 1 + times[kind].length
    const body = new URLSearchParams(probe.body(`${kind}${number}`, range.first * 2 + turn)).toString()
    const answer = await ask(agent, service.port, probe.path, body, addressOf(range.first * 2 + turn))
    times[kind].push(answer.ms)
    // What differs by its nature, and what it was sent itself.
    answers.add(answer.text.replace(/\d+/g, '#').replaceAll(/user#|nobody#/g, 'name'))
  }
  agent.destroy()
  if (answers.size > 1) throw new Error(`${probe.path} tells accounts apart:\n${[...answers].join('\n')}`)

  const { p, auc } = mannWhitney(times.user, times.nobody)
  const field = 'username' in probe.body('', 0) && probe.path === '/token' ? 'by user name' : 'by address'
  return {
    what: `\`${probe.path}\`, ${field}: ${range.turns} known and ${range.turns} unknown, one and the same answer`,
    measured: `p = ${count(p)}; a known one is slower in ${count(100 * auc)} % of pairs`,
    yardstick: `${count(median(times.user))} and ${count(median(times.nobody))} ms, Mann-Whitney U`,
    rounds: [p],
    target: { atLeast: FALSE_ALARM },
    unit: '',
  }
}

type Kind = 'user' | 'nobody'

function shuffled(turns: number): Kind[] {
  const kinds: Kind[] = Array.from({ length: 2 * turns }, (_, index) => (index % 2 === 0 ? 'user' : 'nobody'))
  for (let last = kinds.length - 1; last > 0; last -= 1) {
    const other = randomInt(last + 1)
    const [one, two] = [kinds[last], kinds[other]]
    if (one === undefined || two === undefined) break
    kinds[last] = two
    kinds[other] = one
  }
  return kinds
}

/** A new address each time: networks are counted, and IPv4 addresses are networks of their own. */
function addressOf(turn: number): string {
  return `10.${(turn >> 16) & 255}.${(turn >> 8) & 255}.${turn & 255}`
}

interface Timed {
  readonly ms: number
  /** Status, headers and body, without what is different every time. */
  readonly text: string
}

function ask(agent: Agent, port: number, path: string, body: string, address: string): Promise<Timed> {
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': Buffer.byteLength(body),
    'x-forwarded-for': address,
  }
  return new Promise((resolve, reject) => {
    const began = performance.now()
    request({ agent, port, host: '127.0.0.1', method: 'POST', path, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part) => {
        text += part
      })
      response.on('end', () => {
        const ms = performance.now() - began
        resolve({ ms, text: `${response.statusCode} ${told(response.headers)} ${withoutId(text)}` })
      })
    })
      .on('error', reject)
      .end(body)
  })
}

function told({ date: _date, 'x-request-id': _id, ...rest }: IncomingHttpHeaders): string {
  return JSON.stringify(rest)
}

function withoutId(body: string): string {
  return body.replace(/"request_id":"[^"]*"/, '"request_id":"…"')
}
