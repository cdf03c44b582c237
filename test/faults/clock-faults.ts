import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../helpers/until.ts'
import type { Asked } from './ask.ts'
import { ask } from './ask.ts'
import type { Fault } from './fault.ts'
import { untilEverywhere } from './listen-faults.ts'
import type { Person } from './person.ts'
import { newPerson } from './person.ts'
import type { World } from './world.ts'

const PRELOAD = new URL('skewed-clock.mjs', import.meta.url).href
const AHEAD_SECONDS = [90, 0, -90]
const LEAVERS = 3
const REACHES_WITHIN_MS = 5000

let complaints: string[] = []

/** The clock of the wall differs from replica to replica; that of the database is none of theirs. */
export const clockFaults: readonly Fault[] = [
  {
    name: 'Clocks of the replicas 90 s ahead and behind',
    async prepare(world) {
      for (const [index, seconds] of AHEAD_SECONDS.entries())
        await world.killAndStart(index, {
          NODE_OPTIONS: `--import=${PRELOAD}`,
          CLOCK_AHEAD_MS: String(seconds * 1000),
        })
    },
    async happen(world) {
      complaints = []
      const people = Array.from({ length: LEAVERS }, newPerson)
      for (const person of people) await world.client.register(person)
      await areSkewed(world, accessOf(people[0]))
      for (const person of people) {
        for (const [index] of AHEAD_SECONDS.entries()) await overlap(world, person, index)
        await logOutEverywhere(world, person)
      }
      for (const [index] of AHEAD_SECONDS.entries()) await openLink(world, index)
      await pause(2000)
    },
    check: async () => complaints,
    after: (world) => world.startReplicas(),
    promise: { answerWithinMs: 3000, recoverWithinMs: 0, refusesNobody: true },
  },
]

const accessOf = (person: Person | undefined) => person?.session?.access ?? ''

function expect(isSo: boolean, otherwise: string): void {
  if (!isSo) complaints.push(otherwise)
}

/** Whether the replicas tell three times, and every one of them that the token is good for a while yet. */
async function areSkewed({ replicas }: World, access: string): Promise<void> {
  const checks = replicas.map(({ url }) =>
    ask(url, 'ledger', { path: '/check-auth-status', access, address: '10.9.9.1' }),
  )
  const answers = await Promise.all(checks)
  const [ahead = 0, , behind = 0] = answers.map(({ body }) => Number(body['server_time']))
  expect(Math.abs(ahead - behind - 180) <= 2, `the clocks differ by ${ahead - behind} s`)
  for (const { status, body } of answers)
    expect(status === 200 && Number(body['expires_in']) > 0, `a new token is judged ${status}`)
}

/** A refresh by one replica, and the one that crossed it by the next: the grace is judged by the clock of the database. */
async function overlap({ replicas }: World, person: Person, index: number): Promise<void> {
  const { session } = person
  if (session === undefined) throw new Error('nobody refreshes without a session')
  const send = (turn: number) =>
    ask(replicas[turn % replicas.length]?.url ?? '', 'ledger', {
      path: '/refresh',
      fields: { refresh: session.refresh },
      key: randomUUID(),
      address: person.address,
    })
  const first = await send(index)
  const crossing = await send(index + 1)
  const isSame = first.status === 200 && crossing.body['refresh'] === first.body['refresh']
  expect(isSame, `a crossing refresh was answered ${said(first)}, then ${said(crossing)}`)
  if (first.status === 200)
    Object.assign(session, { access: String(first.body['access']), refresh: String(first.body['refresh']) })
}

async function logOutEverywhere(world: World, person: Person): Promise<void> {
  const access = accessOf(person)
  const { status } = await world.client.logOut(person)
  const tookMs = await untilEverywhere(world, access, person.address)
  const isLate = status !== 200 || tookMs > REACHES_WITHIN_MS
  expect(!isLate, `a logout (${status}) took ${Math.round(tookMs)} ms to reach every replica`)
}

/** Asked for by one replica, and used at the next. */
async function openLink({ replicas, client, smtp }: World, index: number): Promise<void> {
  const [asked, used] = [replicas[index], replicas[(index + 1) % replicas.length]]
  const person = newPerson()
  await client.register(person)
  const { address, email } = person
  await ask(asked?.url ?? '', 'ledger', { path: '/request-reset', fields: { email }, address })
  const find = () =>
    smtp.mails
      .filter(({ recipients }) => recipients.includes(email))
      .map(({ text }) => /\/reset\?token=([\w-]+)/.exec(text ?? '')?.[1])
      .find((token) => token !== undefined)
  await until('the letter has arrived', () => find() !== undefined)
  const fields = { token: find() ?? '', password: `a pass phrase ${randomUUID()}` }
  const opened = await ask(used?.url ?? '', 'ledger', { path: '/reset', fields, address })
  expect(opened.status === 200, `a link was answered ${said(opened)}`)
}

const said = ({ status, code }: Asked) => `${status} ${code}`.trim()
