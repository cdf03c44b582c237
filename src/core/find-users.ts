import type { OwnEvent, OwnSession } from './change-ports.ts'
import { emailKey, usernameKey } from './identity.ts'
import { isId } from './move-from-django.ts'
import type { OperatorNeeds } from './operator.ts'
import type { AccountWithHash } from './ports.ts'

/** An account and what happened to it lately. */
export interface UserView {
  readonly account: AccountWithHash
  readonly sessions: readonly OwnSession[]
  readonly events: readonly OwnEvent[]
}

const SESSIONS_SHOWN = 100
const EVENTS_SHOWN = 20

/** Accounts by their id, name or address, or by how name or address begin. */
export function findUsers(needs: OperatorNeeds, text: string, most: number): Promise<AccountWithHash[]> {
  return needs.operator.find({ ...queryOf(text), beginnings: true }, most)
}

/** Those whose id, name or address it is; more than one where an id is also somebody's name, or an address is shared. */
export function findExactly(needs: OperatorNeeds, text: string): Promise<AccountWithHash[]> {
  return needs.operator.find({ ...queryOf(text), beginnings: false }, 10)
}

/** @param idleTtlSeconds REFRESH_IDLE_TTL, which decides what sessions live */
export async function viewUser(
  needs: OperatorNeeds,
  account: AccountWithHash,
  idleTtlSeconds: number,
): Promise<UserView> {
  const [sessions, events] = await Promise.all([
    needs.records.sessions(account.id, idleTtlSeconds, SESSIONS_SHOWN),
    needs.records.events(account.id, undefined, EVENTS_SHOWN),
  ])
  return { account, sessions, events }
}

function queryOf(text: string) {
  return {
    id: isId(text) ? Number(text) : undefined,
    usernameKey: usernameKey(text),
    emailKey: emailKey(text),
  }
}
