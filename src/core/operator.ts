import type { AuthNeeds } from './auth.ts'
import type { NewPasswordNeeds } from './new-password.ts'
import type { AccountWithHash, SecurityEvent } from './ports.ts'

/** What the verbs of operators need: they run beside the service, on its database and without its keys. */
export type OperatorNeeds = NewPasswordNeeds &
  Pick<AuthNeeds, 'accounts' | 'sessions' | 'records'> & { readonly operator: OperatorStore }

export interface AccountQuery {
  /** Matched whole. */
  readonly id: number | undefined
  readonly usernameKey: string
  readonly emailKey: string
  /** Also accounts whose name or address only begins with it. */
  readonly beginnings: boolean
}

/** What only operators may do, or look at. */
export interface OperatorStore {
  /** Those whose id, name or address it is, by id; deleted ones are not among them. */
  find(query: AccountQuery, most: number): Promise<AccountWithHash[]>

  setRoles(userId: number, roles: readonly string[]): Promise<void>

  /**
   * Disables the account and ends its sessions, also those whose sign-in is under way, or enables it; records the event.
   * @returns the ids of the sessions that ended; `undefined` when it was so before, or there is no such account
   */
  setDisabled(userId: number, disabled: boolean, event: SecurityEvent): Promise<string[] | undefined>
}
