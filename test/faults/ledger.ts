import { setTimeout as pause } from 'node:timers/promises'
import type { Asked } from './ask.ts'
import { ask } from './ask.ts'
import type { Client, Person, Session } from './person.ts'

/** What was acknowledged and is not true, one line for each. */
export interface Losses {
  readonly writes: string[]
  readonly sessions: string[]
}

export interface LedgerNeeds {
  readonly client: Client
  /** Every replica's own address: a logout must have reached each of them. */
  readonly replicas: () => readonly string[]
}

const WORKERS = 6
const ANSWERED_WITHIN_MS = 15_000
/** What a logout may take to reach a replica. */
const REVOKED_WITHIN_MS = 5000

/** Asks for everything that each person was told since the last time. Whoever has lost something is not asked again. */
export async function checkLedger(needs: LedgerNeeds, people: Person[]): Promise<Losses> {
  const losses: Losses = { writes: [], sessions: [] }
  const rest = people.splice(0)
  const work = async () => {
    for (let person = rest.shift(); person !== undefined; person = rest.shift()) {
      const found = await checkPerson(needs, person)
      losses.writes.push(...found.writes)
      losses.sessions.push(...found.sessions)
      if (person.isKnown && found.writes.length + found.sessions.length === 0) people.push(person)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, work))
  return losses
}

async function checkPerson(needs: LedgerNeeds, person: Person): Promise<Losses> {
  const { client } = needs
  const losses: Losses = { writes: [], sessions: [] }
  if (person.session?.isLeaving === true) {
    const { status } = await untilAnswered(() => client.logOut(person))
    if (status !== 200) losses.writes.push(`${person.username}: cannot log out, ${status}`)
  }
  for (const ended of person.ended.splice(0)) await checkEnded(needs, person, ended, losses)
  for (const lived of [...person.others.splice(0), person.session]) {
    if (lived === undefined) continue
    person.session = lived
    const asked = await untilAnswered(() => client.refresh(person, 'ledger'))
    if (asked.status === 200) continue
    const what = `${person.username}: a session is refused, ${asked.status} ${asked.code}`
    // A login that the database has lost is a write; a session that it still has was ended by nobody.
    if (asked.code === 'refresh_invalid') losses.writes.push(what)
    else losses.sessions.push(what)
  }
  if (person.isNews) await checkPassword(client, person, losses)
  return losses
}

/** The password counts, or one of those that may; the one before does not. */
async function checkPassword(client: Client, person: Person, losses: Losses): Promise<void> {
  const { passwords, formerPassword, username, isKnown } = person
  const statuses: number[] = []
  for (const password of passwords) {
    const { status } = await untilAnswered(() => client.logIn(person, password, 'ledger'))
    statuses.push(status)
    if (status !== 200) continue
    person.passwords = [password]
    person.isKnown = true
    break
  }
  if (isKnown && !statuses.includes(200))
    losses.writes.push(`${username}: no password of theirs counts, ${statuses}`)
  if (formerPassword !== undefined) {
    const { status } = await untilAnswered(() => client.logIn(person, formerPassword, 'ledger'))
    if (status !== 401) losses.writes.push(`${username}: the former password counts, ${status}`)
  }
  person.formerPassword = undefined
  person.isNews = false
}

/** A session whose end was acknowledged is over, for the database and for each replica. */
async function checkEnded(
  needs: LedgerNeeds,
  { username, address }: Person,
  { access, refresh }: Session,
  losses: Losses,
): Promise<void> {
  for (const base of needs.replicas()) {
    const end = performance.now() + REVOKED_WITHIN_MS
    let checked: Asked
    do checked = await ask(base, 'ledger', { path: '/check-auth-status', access, address })
    while (checked.status === 200 && performance.now() < end && (await pause(100, true)))
    if (checked.status !== 401)
      losses.writes.push(`${username}: a logout has not reached ${base}, ${checked.status}`)
  }
  const [base = ''] = needs.replicas()
  const asked = await untilAnswered(() =>
    ask(base, 'ledger', { path: '/refresh', fields: { refresh }, address }),
  )
  if (asked.status !== 401)
    losses.writes.push(`${username}: a session that was ended goes on, ${asked.status}`)
}

/** Asks again for as long as nothing is known. */
async function untilAnswered(send: () => Promise<Asked>): Promise<Asked> {
  const end = performance.now() + ANSWERED_WITHIN_MS
  for (;;) {
    const asked = await send()
    if ((asked.status !== 0 && asked.status !== 503 && asked.status !== 429) || performance.now() > end)
      return asked
    await pause(250)
  }
}
