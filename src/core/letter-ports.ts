import type { ChangeableAccount } from './change-ports.ts'
import type { LetterFacts, LetterKind } from './ports.ts'

/**
 * A letter whose time has come, with all that decides what it says: the account as it is now, with its hash, for a
 * link names the state that its use changes. Never logged. Times are the database's, milliseconds since 1970.
 */
export interface DueLetter extends ChangeableAccount {
  readonly id: string
  readonly kind: LetterKind
  /** 1 for the first; names this attempt, so that an older one cannot overwrite its outcome. */
  readonly attempt: number
  readonly createdAt: number
  /** Where it goes, if not to the address that the account has now. */
  readonly goesTo: { readonly address: string; readonly key: string } | undefined
  readonly facts: LetterFacts | undefined
  /** The way of saying that took the request, see `Caller`. */
  readonly via?: string | undefined
  /** The account that has verified the address that the letter goes to: this one, another, or none. */
  readonly owner: AddressOwner | undefined
}

/** Links that a way of saying writes in its own form, which its clients know; the others lead to our pages. */
export interface LetterLinks {
  readonly verifyEmail?: (userId: number, token: string) => string
  readonly resetPassword?: (userId: number, token: string) => string
}

export interface AddressOwner {
  readonly userId: number
  readonly username: string
  /** As it was stored, and the only form that is ever written to. */
  readonly email: string
  readonly verifiedAt: number
}

/** The letters of all replicas, as an operator sees them. */
export interface OutboxState {
  /** Not sent and not given up. */
  readonly waiting: number
  /** How long the oldest of those has waited. */
  readonly oldestSeconds: number
  /** Given up: refused for good, or too late. Not those that had lost their point. */
  readonly failed: number
}

/** The letters to be sent, shared by every replica. */
export interface OutboxStore {
  /**
   * Takes the letter that has been due longest, if there is one. For `leaseSeconds` nobody else gets it; then it
   * is due again, so that the crash of its taker delays it and loses nothing. No transaction stays open.
   */
  takeLetter(leaseSeconds: number): Promise<DueLetter | undefined>

  /** The letter is out, whichever attempt it was: never due again. */
  markSent(id: string): Promise<void>

  /**
   * This attempt failed: due again in `retryInSeconds`, or never where that is `undefined`. Does nothing when
   * the letter has been sent or taken again meanwhile. `code` is one of ours, never the text of a mail server.
   */
  markFailed(
    letter: Pick<DueLetter, 'id' | 'attempt'>,
    code: string,
    retryInSeconds: number | undefined,
  ): Promise<void>

  /** Seconds until the next letter is due, 0 or less when one is; `undefined` when none is left to send. */
  nextDueInSeconds(): Promise<number | undefined>

  outboxState(): Promise<OutboxState>
}
