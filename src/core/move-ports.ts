import type { PasswordHash, Profile } from './ports.ts'

/** An account that comes from elsewhere, or goes there. Moments are texts that Postgres reads, as ISO 8601. */
export interface MovedAccount {
  readonly id: number
  readonly username: string
  readonly usernameKey: string
  /** Its key belongs to another account: it signs in by its address. */
  readonly usernameShared: boolean
  readonly email: string
  readonly emailKey: string
  readonly emailVerifiedAt: string | null
  readonly passwordHash: PasswordHash
  readonly firstName: string
  readonly lastName: string
  readonly roles: readonly string[]
  readonly profile: Profile
  readonly activatedAt: string | null
  readonly disabledAt: string | null
  readonly createdAt: string
  readonly lastLoginAt: string | null
  /** The document that its client has saved, as it was saved. */
  readonly widgets: string | null
}

/** What became of one. `present`: it has been moved before, and stays as it is now. */
export interface Placement {
  readonly outcome: 'imported' | 'present' | 'id_taken'
  readonly usernameShared: boolean
  /** An account that came before has the address too. */
  readonly emailShared: boolean
  /** Name and address both lead to other accounts: nobody can sign in to this one until it has a name of its own. */
  readonly unreachable: boolean
}

/** Where moved accounts go. */
export interface MoveStore {
  /**
   * Adds the accounts under their own ids, in one transaction; whoever is there stays as it is. A user name that
   * another account has is kept for show only; an address that another account has verified is kept unverified.
   * @returns what became of each, in the same order
   */
  place(accounts: readonly MovedAccount[]): Promise<Placement[]>

  /** From now on new accounts get ids above all that are there, and above `least`. */
  advanceIds(least: number): Promise<void>
}

/** What is to be said about an account that was read. The first four were not imported. */
export type Remark =
  | 'malformed'
  | 'id_taken'
  | 'id_repeated'
  | 'no_username'
  | 'unreachable'
  | 'username_shared'
  | 'username_unusual'
  | 'email_shared'
  | 'email_unusual'
  | 'password_unusable'
  | 'password_unknown'

/** One account as it was read: to be placed, or not to be, and why. */
export interface Moving {
  /** Of the account; of its line in a file, where it has none that can be read. */
  readonly id: string
  readonly account: MovedAccount | undefined
  readonly remarks: readonly Remark[]
}
