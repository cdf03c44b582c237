import type {
  Account,
  AccountWithHash,
  Bearer,
  Caller,
  LetterCounter,
  LoginAttempt,
  PasswordHash,
  Profile,
  SecurityEvent,
} from './ports.ts'

/** An account as it stands when it is to be changed, with all that decides whether it may be. */
export interface ChangeableAccount {
  readonly account: AccountWithHash
  readonly emailKey: string
  readonly pendingEmail: string
  /** Empty where no change of address waits to be confirmed. */
  readonly pendingEmailKey: string
  /** Addresses that it had within UNDO_LINK_TTL_SECONDS, oldest first. */
  readonly formerEmails: readonly FormerEmail[]
  /** The database's clock, milliseconds since 1970. */
  readonly now: number
}

export interface FormerEmail {
  readonly email: string
  readonly emailKey: string
  /** When it was given up for the next, milliseconds since 1970. */
  readonly replacedAt: number
}

/** A user name to be taken, and what decides whether it is taken already. */
export interface NewUsername {
  readonly text: string
  readonly key: string
}

/** A new password for an account that still has the old one, and the old address. */
export interface PasswordChange {
  readonly userId: number
  readonly old: PasswordHash
  readonly fresh: PasswordHash
  /** Also the proof of the address: a link that was mailed there set this password. */
  readonly provesEmailKey: string | undefined
  /** The session that lives on; all others end. */
  readonly keepSessionId: string | undefined
  /** How many hashes to keep of those it had, PASSWORD_HISTORY. */
  readonly history: number
  readonly event: SecurityEvent
}

/** A change of the address that waits for the link that went to it, for an account that still has this password. */
export interface EmailChange {
  readonly userId: number
  readonly boughtWith: PasswordHash
  readonly email: string
  readonly emailKey: string
  /** Of letters to the new address: when they are used up nothing is sent there. */
  readonly counter: LetterCounter
  readonly caller: Caller
}

/** A change of the address that was asked for, now that the link to it is used. */
export interface EmailConfirmation {
  readonly userId: number
  readonly oldKey: string
  readonly pendingKey: string
  /** The user name goes with the address, unless somebody else has it. */
  readonly username: NewUsername | undefined
  readonly caller: Caller
}

/** The way back to an address that the account had, or has while another one is pending. */
export interface EmailUndo {
  readonly userId: number
  readonly oldKey: string
  readonly username: NewUsername | undefined
  readonly caller: Caller
}

/** What an owner may change without proof; `undefined` leaves it as it is. */
export interface AccountUpdate {
  readonly username: NewUsername | undefined
  readonly firstName: string | undefined
  readonly lastName: string | undefined
  /** From what it was when it was looked at: two who change it at once must both be heard. */
  readonly profile: { readonly old: Profile; readonly fresh: Profile } | undefined
}

/** Changes to an account that exists. Each is one transaction with its event and its letters, or did nothing. */
export interface AccountChangeStore {
  find(userId: number): Promise<ChangeableAccount | undefined>

  /** The same for the bearer of an access token; `undefined` unless the session is there, the user's, and not ended. */
  findFor(bearer: Bearer): Promise<ChangeableAccount | undefined>

  /**
   * Finds the account and counts an attempt at its password against this session, in one statement: apart from those of
   * strangers, for whom the sign-ins are counted. `undefined`, and nothing counted, where `findFor` finds none.
   */
  attemptConfirmation(
    bearer: Bearer,
  ): Promise<(LoginAttempt & { readonly account: AccountWithHash }) | undefined>

  /** Notes that a letter with a link for a new password was asked for; the same work for any address, known or not. */
  requestReset(emailKey: string, counter: LetterCounter, caller: Caller): Promise<void>

  /** The hashes the account has had, newest first, without the present one. */
  passwordHistory(userId: number, most: number): Promise<PasswordHash[]>

  /**
   * Sets the password, ends the sessions, forgets failed sign-ins, drops a change of address that waits to be
   * confirmed, and has the owner told. Where it proves an address that was never proven before, what the account
   * held goes too: somebody else may have made it with that address.
   * @returns the ids of the sessions that ended; `undefined` when hash or address are no longer the ones given
   */
  setPassword(change: PasswordChange): Promise<string[] | undefined>

  /**
   * Notes the new address; a letter with a link goes there, and a notice with a link to undo it to the old one.
   * @returns false when the password has changed meanwhile
   */
  requestEmailChange(change: EmailChange): Promise<boolean>

  /**
   * Makes the pending address the address, if both are still the ones given and nobody else has verified it.
   * Of concurrent calls exactly one is true.
   */
  confirmEmailChange(confirmation: EmailConfirmation): Promise<boolean>

  /**
   * Goes back to the old address, or drops the change where it is still pending; ends every session, makes the
   * password unusable and has a letter for a new one sent to the old address: whoever asked for the change knew it.
   * Addresses that the account had before the old one can still be gone back to; later ones cannot.
   * @returns the ids of the sessions that ended; `undefined` when there is nothing left to undo
   */
  undoEmailChange(undo: EmailUndo): Promise<string[] | undefined>

  /**
   * @returns the account as it is now; `username_taken` when the name went to somebody else, `overtaken` when the
   * profile is no longer the one given, `undefined` when the account is gone, and, with the session of an access
   * token, where `findFor` finds none
   */
  update(
    who: { readonly userId: number; readonly sessionId: string | undefined },
    update: AccountUpdate,
    caller: Caller,
  ): Promise<Account | 'username_taken' | 'overtaken' | undefined>

  /**
   * Erases all that is personal, in the account and in its events, and ends its sessions. The name and the address
   * are free at once; the row itself goes when no access token can name it any more.
   * @returns the ids of the sessions that ended; `undefined` when the password has changed, or the account is gone
   */
  erase(userId: number, boughtWith: PasswordHash): Promise<string[] | undefined>
}

/** One JSON document per account. */
export interface WidgetStore {
  /** Of concurrent calls the last one wins, whole. False unless the session is there, the user's, and not ended. */
  save(bearer: Bearer, document: string): Promise<boolean>
  /** As it was saved, to the byte; `undefined` inside where nothing was, and no answer at all where `save` is false. */
  load(bearer: Bearer): Promise<{ readonly document: string | undefined } | undefined>
}

/** A session as its owner sees it. Times are milliseconds since 1970. */
export interface OwnSession {
  readonly id: string
  readonly label: string
  readonly ip: string
  readonly userAgent: string
  readonly createdAt: number
  readonly lastUsedAt: number
}

/** An event as its owner sees it. */
export interface OwnEvent {
  readonly id: string
  readonly at: number
  readonly kind: string
  readonly sessionId: string | undefined
  readonly ip: string
  readonly userAgent: string
  readonly reason: string | undefined
}

/** What an owner may look at, and an operator. */
export interface OwnRecords {
  /** The sessions that live, the one used last first, at most `most`. */
  sessions(userId: number, idleTtlSeconds: number, most: number): Promise<OwnSession[]>
  /** Newest first, from before the event named by `before`, at most `most`. */
  events(userId: number, before: string | undefined, most: number): Promise<OwnEvent[]>
  /** The same for the bearer of an access token; `undefined` unless the session is there, the user's, and not ended. */
  sessionsFor(bearer: Bearer, idleTtlSeconds: number, most: number): Promise<OwnSession[] | undefined>
  eventsFor(bearer: Bearer, before: string | undefined, most: number): Promise<OwnEvent[] | undefined>
  /** Whether the user has this other session, or had it; `undefined` as before. */
  hasSession(bearer: Bearer, sessionId: string): Promise<boolean | undefined>
}
