import { until } from '../helpers/until.ts'
import type { Chance } from '../torture/chance.ts'
import type { Client, Person } from './person.ts'
import { newPerson } from './person.ts'

/** A steady mix of requests, so many a second whatever comes of them (an open loop). */
export interface Traffic {
  /** All who are there, and those of whom that is not known. */
  readonly people: Person[]
  /** Signs up so many, one after the other. */
  populate(count: number): Promise<void>
  /** Has each of them do this, when whatever they are doing is done. */
  each(work: (person: Person) => Promise<unknown>): Promise<void>
  start(hashes: 'with hashes' | 'without hashes'): void
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>
}

export interface TrafficOptions {
  readonly client: Client
  readonly chance: Chance
  readonly requestsPerSecond: number
}

/** In percent: half of it status checks, a third refreshes, the rest what costs a hash or writes. */
const MIX = { check: 50, refresh: 32, logIn: 7, register: 4, logOut: 4, changePassword: 3 }
/** Where hashes cost what they cost in production, more than three replicas on two cores can make. */
const WITHOUT_HASHES: typeof MIX = {
  check: 60,
  refresh: 40,
  logIn: 0,
  register: 0,
  logOut: 0,
  changePassword: 0,
}

const TICK_MS = 10
const CATCH_UP_MS = 100

export function createTraffic({ client, chance, requestsPerSecond }: TrafficOptions): Traffic {
  const people: Person[] = []
  const underWay = new Set<Promise<unknown>>()
  let timer: NodeJS.Timeout | undefined
  let mix = MIX

  function draw(): keyof typeof MIX {
    let rest = chance.between(0, 100)
    for (const [verb, share] of Object.entries(mix) as [keyof typeof MIX, number][]) {
      rest -= share
      if (rest < 0) return verb
    }
    return 'check'
  }

  async function signUp(): Promise<void> {
    const person = newPerson()
    const { status } = await client.register(person)
    // Those whose answer was lost are asked for later.
    if (status === 201 || status === 0 || status === 503) people.push(person)
  }

  async function act(person: Person, verb: Exclude<keyof typeof MIX, 'register'>): Promise<unknown> {
    const [password = ''] = person.passwords
    if (person.session?.isLeaving === true) return client.logOut(person)
    if (person.session === undefined || verb === 'logIn') return client.logIn(person, password)
    return client[verb](person)
  }

  function tick(): void {
    const verb = draw()
    const idle = people.filter(
      // Whoever does not know whether their password was changed waits for the ledger.
      ({ busy, isKnown, passwords }) => !busy && isKnown && passwords.length === 1,
    )
    const person = idle[chance.whole(0, Math.max(0, idle.length - 1))]
    if (verb !== 'register' && person === undefined) return
    const work =
      verb === 'register' || person === undefined ? signUp() : inTurn(person, () => act(person, verb))
    underWay.add(work)
    void work.finally(() => underWay.delete(work))
  }

  return {
    people,
    async populate(count) {
      while (people.length < count) await signUp()
    },
    async each(work) {
      for (const person of people) {
        await until('what they asked is answered', () => !person.busy)
        await inTurn(person, () => work(person))
      }
    },
    start(hashes) {
      mix = hashes === 'with hashes' ? MIX : WITHOUT_HASHES
      let due = performance.now()
      timer = setInterval(() => {
        // A machine that kept us waiting is not made to catch up with more than a moment.
        due = Math.max(due, performance.now() - CATCH_UP_MS)
        for (; due <= performance.now(); due += 1000 / requestsPerSecond) tick()
      }, TICK_MS)
    },
    async stop() {
      clearInterval(timer)
      await Promise.all(underWay)
    },
  }
}

async function inTurn(person: Person, work: () => Promise<unknown>): Promise<unknown> {
  person.busy = true
  try {
    return await work()
  } finally {
    person.busy = false
  }
}
