import type { DueLetter } from './letter-ports.ts'
import {
  EMAIL_LINK_TTL_SECONDS,
  NOTICE_TTL_SECONDS,
  RESET_LINK_TTL_SECONDS,
  UNDO_LINK_TTL_SECONDS,
  VERIFY_LINK_TTL_SECONDS,
} from './policy.ts'
import type { LetterFacts, LetterKind } from './ports.ts'

/** What becomes of a letter: what it says and to whom, or why it is not written at all. */
export type LetterVerdict =
  | {
      readonly verdict: 'verify_email' | 'reset_password' | 'change_email'
      readonly to: Addressee
      readonly link: LetterLink
    }
  | { readonly verdict: 'already_registered'; readonly to: Addressee }
  | {
      readonly verdict: 'email_change_notice'
      readonly to: Addressee
      readonly deed: Deed
      readonly link: LetterLink
    }
  | {
      readonly verdict: 'password_changed' | 'new_device' | 'session_ended'
      readonly to: Addressee
      readonly deed: Deed
    }
  | { readonly verdict: 'drop'; readonly reason: DropReason }

/** A letter that is written. */
export type WrittenVerdict = Exclude<LetterVerdict, { verdict: 'drop' }>

export type DropReason = 'expired' | PointLost
export type PointLost = (typeof POINT_LOST)[number]

/** Why a letter needs not be written, and nobody misses it. */
export const POINT_LOST = ['overtaken', 'no_address', 'unverified', 'disabled'] as const

export interface Addressee {
  /** The stored address of the account, never one that a request brought. */
  readonly address: string
  readonly username: string
}

export interface LetterLink {
  /** The same for each attempt, so that a letter that goes out twice brings the same link. */
  readonly issuedAt: number
  readonly goodForSeconds: number
}

/** What happened when, on which device and from where; empty where it is not known. */
export interface Deed extends LetterFacts {
  readonly at: number
}

const TTL_SECONDS: Readonly<Record<LetterKind, number>> = {
  verification: VERIFY_LINK_TTL_SECONDS,
  reset: RESET_LINK_TTL_SECONDS,
  email_change: EMAIL_LINK_TTL_SECONDS,
  email_change_notice: UNDO_LINK_TTL_SECONDS,
  password_changed: NOTICE_TTL_SECONDS,
  new_device: NOTICE_TTL_SECONDS,
  session_ended: NOTICE_TTL_SECONDS,
}

/** When a letter has lost its point, because its link would be dead on arrival. Milliseconds since 1970. */
export function letterDiesAt({ kind, createdAt }: Pick<DueLetter, 'kind' | 'createdAt'>): number {
  return createdAt + TTL_SECONDS[kind] * 1000
}

/** Decides when the letter is sent and not when it was asked for: meanwhile the account may have changed. */
export function judgeLetter(letter: DueLetter): LetterVerdict {
  const goodForSeconds = (letterDiesAt(letter) - letter.now) / 1000
  if (goodForSeconds <= 0) return drop('expired')
  const link = { issuedAt: letter.createdAt, goodForSeconds }
  switch (letter.kind) {
    case 'verification':
      return judgeVerification(letter, link)
    case 'reset':
      return judgeReset(letter, link)
    case 'email_change':
      return judgeEmailChange(letter, link)
    case 'email_change_notice':
      return judgeChangeNotice(letter, link)
    case 'password_changed':
    case 'new_device':
    case 'session_ended':
      return judgeNotice(letter, letter.kind)
    default:
      return letter.kind satisfies never
  }
}

/** Whoever has verified an address is told that somebody tried to sign up with it; nobody else can be. */
function judgeVerification(letter: DueLetter, link: LetterLink): LetterVerdict {
  const { account, owner, createdAt } = letter
  if (letter.emailKey === '') return drop('no_address')
  if (owner !== undefined) {
    // An earlier letter was quicker, and its reader would wonder who has signed up again.
    const isOvertaken = owner.userId === account.id && owner.verifiedAt >= createdAt
    return isOvertaken ? drop('overtaken') : alreadyRegistered(owner)
  }
  if (account.disabled) return drop('disabled')
  return { verdict: 'verify_email', to: addressee(letter), link }
}

function judgeReset(letter: DueLetter, link: LetterLink): LetterVerdict {
  if (letter.emailKey === '') return drop('no_address')
  if (letter.account.disabled) return drop('disabled')
  // The address has found its owner meanwhile, and no link can give this account to whoever reads there.
  if (isOwnedByAnother(letter)) return drop('overtaken')
  return { verdict: 'reset_password', to: addressee(letter), link }
}

/** Goes to an address that the account does not have yet; who has it already is told, and nobody else learns of it. */
function judgeEmailChange(letter: DueLetter, link: LetterLink): LetterVerdict {
  const { account, goesTo, owner, pendingEmailKey } = letter
  if (goesTo === undefined) return drop('no_address')
  if (account.disabled) return drop('disabled')
  if (pendingEmailKey !== goesTo.key) return drop('overtaken')
  if (owner !== undefined && isOwnedByAnother(letter)) return alreadyRegistered(owner)
  return { verdict: 'change_email', to: addressee(letter), link }
}

/** Goes to the old address, however often the account has changed its address since. */
function judgeChangeNotice(letter: DueLetter, link: LetterLink): LetterVerdict {
  const { goesTo, emailKey, pendingEmailKey, formerEmails } = letter
  if (goesTo === undefined) return drop('no_address')
  const isPending = emailKey === goesTo.key && pendingEmailKey !== ''
  const isDone = formerEmails.some((former) => former.emailKey === goesTo.key)
  if ((!isPending && !isDone) || isOwnedByAnother(letter)) return drop('overtaken')
  return { verdict: 'email_change_notice', to: addressee(letter), deed: deedOf(letter), link }
}

/** Only to a confirmed address: what an account does is nobody's business who did not say that it is his. */
function judgeNotice(
  letter: DueLetter,
  verdict: 'password_changed' | 'new_device' | 'session_ended',
): LetterVerdict {
  if (letter.emailKey === '') return drop('no_address')
  if (!letter.account.emailVerified) return drop('unverified')
  return { verdict, to: addressee(letter), deed: deedOf(letter) }
}

function isOwnedByAnother({ owner, account }: DueLetter): boolean {
  return owner !== undefined && owner.userId !== account.id
}

function addressee({ goesTo, account }: DueLetter): Addressee {
  return { address: goesTo?.address ?? account.email, username: account.username }
}

function alreadyRegistered({ email, username }: { email: string; username: string }): LetterVerdict {
  return { verdict: 'already_registered', to: { address: email, username } }
}

function deedOf({ createdAt, facts }: DueLetter): Deed {
  return { at: createdAt, label: facts?.label ?? '', ip: facts?.ip ?? '' }
}

function drop(reason: DropReason): LetterVerdict {
  return { verdict: 'drop', reason }
}
