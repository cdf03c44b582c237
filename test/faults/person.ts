import { randomUUID } from 'node:crypto'
import type { Ask, Asked, Kind } from './ask.ts'
import { ask } from './ask.ts'

/** Tokens as a client keeps them: the key stands beside its refresh token until that is answered (README.md, rule 2). */
export interface Session {
  access: string
  refresh: string
  key: string
  /** Its logout was asked for, and what came of that is not known: nothing but asking again makes sense. */
  isLeaving: boolean
}

/** One who uses the service, and the ledger of what it has acknowledged to them. */
export interface Person {
  readonly username: string
  readonly email: string
  readonly address: string
  /** The registration was acknowledged. */
  isKnown: boolean
  /** The one that counts, or all that may: what came of a change is not known. */
  passwords: string[]
  /** Replaced by a change that was acknowledged. */
  formerPassword: string | undefined
  /** Whether something about the password was acknowledged, or is unknown, since the ledger was last checked. */
  isNews: boolean
  session: Session | undefined
  /** Earlier sessions, which nobody has ended. */
  others: Session[]
  /** Sessions whose end was acknowledged since the ledger was last checked. */
  ended: Session[]
  /** One thing at a time. */
  busy: boolean
}

/** A client of the service behind `base`: each verb sends one request and writes down what came of it. */
export interface Client {
  check(person: Person): Promise<Asked>
  refresh(person: Person, kind?: Kind): Promise<Asked>
  logIn(person: Person, password: string, kind?: Kind): Promise<Asked>
  logOut(person: Person): Promise<Asked>
  changePassword(person: Person): Promise<Asked>
  requestReset(person: Person): Promise<Asked>
  register(person: Person): Promise<Asked>
}

let born = 0

/** Somebody new, with an address (IP) of their own: the guards count by it. */
export function newPerson(): Person {
  born += 1
  const name = `p${born}x${randomUUID().slice(0, 8)}`
  return {
    username: name,
    email: `${name}@example.org`,
    address: `10.${(born >> 16) & 255}.${(born >> 8) & 255}.${born & 255}`,
    isKnown: false,
    passwords: [newPassword()],
    formerPassword: undefined,
    isNews: true,
    session: undefined,
    others: [],
    ended: [],
    busy: false,
  }
}

const newPassword = () => `a pass phrase ${randomUUID()}`

export function createClient(base: string, note: (asked: Asked) => void): Client {
  async function send(kind: Kind, person: Person, what: Omit<Ask, 'address'>): Promise<Asked> {
    const asked = await ask(base, kind, { ...what, address: person.address })
    note(asked)
    return asked
  }

  return {
    check: (person) => send('check', person, { path: '/check-auth-status', access: person.session?.access }),

    async refresh(person, kind = 'refresh') {
      const { session } = person
      if (session === undefined) throw new Error('nobody refreshes without a session')
      const { refresh, key } = session
      const asked = await send(kind, person, { path: '/refresh', fields: { refresh }, key })
      if (asked.status === 200) Object.assign(session, tokensOf(asked))
      return asked
    },

    async logIn(person, password, kind = 'login') {
      const { username } = person
      const asked = await send(kind, person, { path: '/token', fields: { username, password } })
      if (asked.status !== 200) return asked
      if (person.session !== undefined) person.others.push(person.session)
      person.session = { ...tokensOf(asked), isLeaving: false }
      return asked
    },

    async logOut(person) {
      const { session } = person
      if (session === undefined) throw new Error('nobody logs out without a session')
      const asked = await send('logout', person, { path: '/logout', fields: { refresh: session.refresh } })
      session.isLeaving = asked.status !== 200
      if (asked.status === 200) {
        person.ended.push(session)
        person.session = undefined
      }
      return asked
    },

    async changePassword(person) {
      const { session, passwords } = person
      const [current = ''] = passwords
      const wanted = newPassword()
      const fields = { current_password: current, new_password: wanted }
      person.isNews = true
      const asked = await send('change password', person, {
        path: '/change-password',
        fields,
        access: session?.access,
      })
      if (asked.status === 200) {
        Object.assign(person, { passwords: [wanted], formerPassword: current })
        person.ended.push(...person.others)
      } else if (asked.status === 0 || asked.status === 503) {
        person.passwords = [wanted, current]
      }
      // After a change that may have happened nobody knows whether they still live.
      if (asked.status !== 401) person.others = []
      return asked
    },

    requestReset: (person) =>
      send('reset', person, { path: '/request-reset', fields: { email: person.email } }),

    async register(person) {
      const { username, email } = person
      const [password = ''] = person.passwords
      const asked = await send('register', person, {
        path: '/register',
        fields: { username, email, password },
      })
      if (asked.status === 201) {
        person.isKnown = true
        // Without tokens where the account was made and its first session was not: its owner signs in.
        if (asked.body['access'] !== undefined) person.session = { ...tokensOf(asked), isLeaving: false }
      }
      return asked
    },
  }
}

function tokensOf({ body }: Asked): { access: string; refresh: string; key: string } {
  return { access: String(body['access']), refresh: String(body['refresh']), key: randomUUID() }
}
