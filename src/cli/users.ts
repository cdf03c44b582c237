import { createUser } from '../core/create-user.ts'
import { findExactly, findUsers, viewUser } from '../core/find-users.ts'
import {
  disableUser,
  enableUser,
  eraseUser,
  logOutUser,
  renameUser,
  setUserPassword,
} from '../core/operate-on-user.ts'
import type { AccountWithHash, Caller } from '../core/ports.ts'
import { EXIT, Failed } from './failed.ts'
import type { Operator } from './operator.ts'
import { asOperator } from './operator.ts'
import { parse } from './options.ts'
import { readPassword } from './password-input.ts'
import { toLine, toObject, viewToLines, viewToObject } from './show-user.ts'
import { UsageError } from './usage.ts'

const USAGE = `keyturn users <verb>, on the database of DATABASE_URL

  create --username <name>   an account that is active at once; its password is asked for, or read from standard input
      --email <address>      --verified if you vouch for it
      --first-name <name> --last-name <name> --role <name>, more than once if you like
      --no-password          its owner asks for one by mail
  find <text>                whose id, name or address it is, or begins with it
  show <who>                 with sessions and the latest events
  disable <who>              ends every session and lets nobody sign in
  enable <who>
  set-password <who>         asked for, or read from standard input; ends every session and tells the owner by mail
  rename <who> --username <name>
  logout <who>               ends every session
  delete <who> --yes         erases the account for good

  <who> is an id, a user name or an e-mail address. --json, with each: an object for programs.
  Exit status: 0, 64 what was typed, 65 what it says is refused, 67 no such user, 69 no database, 78 settings.
`

const OPTIONS = {
  username: { type: 'string' },
  email: { type: 'string' },
  verified: { type: 'boolean' },
  'first-name': { type: 'string' },
  'last-name': { type: 'string' },
  role: { type: 'string', multiple: true },
  'no-password': { type: 'boolean' },
  yes: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

/** What a verb has done: for people line by line, for programs as an object. */
interface Report {
  readonly lines: readonly string[]
  readonly object: object
}

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values']
type Verb = (operator: Operator, who: AccountWithHash, caller: Caller, values: Values) => Promise<Report>

const FOUND_MAX = 100

/** Those that are about one account. */
const VERBS: Readonly<Record<string, Verb>> = {
  async show({ needs, idleTtlSeconds }, who) {
    const view = await viewUser(needs, who, idleTtlSeconds)
    return { lines: viewToLines(view), object: viewToObject(view) }
  },
  async disable({ needs }, who, caller) {
    const ended = await disableUser(needs, who, caller)
    const said = ended === undefined ? 'It was disabled before.' : `Disabled; ${sessions(ended)} ended.`
    return { lines: [said], object: { id: who.id, disabled: true, sessions: ended ?? 0 } }
  },
  async enable({ needs }, who, caller) {
    const changed = await enableUser(needs, who, caller)
    return {
      lines: [changed ? 'Enabled.' : 'It was enabled before.'],
      object: { id: who.id, disabled: false },
    }
  },
  async 'set-password'({ needs }, who, caller) {
    const ended = await setUserPassword(needs, who, await readPassword(), caller)
    return { lines: [`Password set; ${sessions(ended)} ended.`], object: { id: who.id, sessions: ended } }
  },
  async rename({ needs }, who, caller, { username }) {
    if (username === undefined) throw new UsageError('Say the new user name: --username.')
    await renameUser(needs, who, username, caller)
    return { lines: ['Renamed.'], object: { id: who.id, username } }
  },
  async logout({ needs }, who, caller) {
    const ended = await logOutUser(needs, who, caller)
    return { lines: [`${sessions(ended)} ended.`], object: { id: who.id, sessions: ended } }
  },
  async delete({ needs }, who, _caller, { yes }) {
    if (!yes) throw new UsageError(`This erases ${toLine(who)} for good. Say so: --yes.`)
    const ended = await eraseUser(needs, who)
    return { lines: [`Erased; ${sessions(ended)} ended.`], object: { id: who.id, sessions: ended } }
  },
}

/**
 * `keyturn users …`
 * @throws UsageError for what cannot be understood, ConfigError, Failed
 */
export async function users(args: readonly string[], print: (line: string) => void): Promise<void> {
  const { values, positionals } = parse(args, OPTIONS, USAGE)
  const [name = '', text, ...more] = positionals
  const caller: Caller = { ip: '127.0.0.1', userAgent: `keyturn users ${name}` }
  const report = await run()
  if (values.json) print(JSON.stringify(report.object))
  else for (const line of report.lines) print(line)

  function run(): Promise<Report> {
    if (more.length > 0) throw new UsageError(USAGE)
    if (name === 'create' && text === undefined) return create(values, caller)
    if (text === undefined) throw new UsageError(USAGE)
    if (name === 'find') return find(text)
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
    if (verb === undefined) throw new UsageError(USAGE)
    return asOperator(async (operator) => verb(operator, await only(operator, text), caller, values))
  }
}

async function create(values: Values, caller: Caller): Promise<Report> {
  const { username, email = '', verified = false, role: roles = [] } = values
  if (username === undefined) throw new UsageError(`Say the user name: --username.\n\n${USAGE}`)
  return asOperator(async ({ needs }) => {
    const created = await createUser(
      needs,
      {
        username,
        email,
        password: values['no-password'] ? undefined : await readPassword(),
        firstName: values['first-name'] ?? '',
        lastName: values['last-name'] ?? '',
        roles,
        emailVerified: verified,
      },
      caller,
    )
    return { lines: [`Created: ${toLine(created)}`], object: toObject(created) }
  })
}

async function find(text: string): Promise<Report> {
  const found = await asOperator(({ needs }) => findUsers(needs, text, FOUND_MAX + 1))
  const shown = found.slice(0, FOUND_MAX)
  const isMore = found.length > FOUND_MAX
  return {
    lines: [
      ...shown.map(toLine),
      ...(shown.length === 0 ? ['Nobody.'] : []),
      ...(isMore ? ['… and more: say more of it.'] : []),
    ],
    object: { users: shown.map(toObject), more: isMore },
  }
}

/** The one account that is meant. */
async function only({ needs }: Operator, text: string): Promise<AccountWithHash> {
  const [first, ...others] = await findExactly(needs, text)
  if (first === undefined) throw new Failed(EXIT.noUser, 'There is no such user. Try: keyturn users find')
  if (others.length > 0) {
    const ids = [first, ...others].map(({ id }) => id).join(', ')
    throw new Failed(EXIT.data, `That names more than one user. Say which by id: ${ids}`)
  }
  return first
}

function sessions(count: number): string {
  return count === 1 ? '1 session' : `${count} sessions`
}
