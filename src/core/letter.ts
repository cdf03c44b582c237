import { VERIFY_LINK_TTL_SECONDS } from './policy.ts'
import type { DueLetter } from './ports.ts'

/** What becomes of a letter: what it says and to whom, or why it is not written at all. */
export type LetterVerdict =
  | { readonly verdict: 'verify_email'; readonly to: Addressee; readonly link: VerifyLink }
  | { readonly verdict: 'already_registered'; readonly to: Addressee }
  | { readonly verdict: 'drop'; readonly reason: 'expired' | 'overtaken' | 'no_address' }

export interface Addressee {
  /** The stored address of the account, never one that a request brought. */
  readonly address: string
  readonly username: string
}

export interface VerifyLink {
  /** The same for each attempt, so that a letter that goes out twice brings the same link. */
  readonly issuedAt: number
  readonly goodForSeconds: number
}

/**
 * Decides when the letter is sent and not when it was asked for: meanwhile the address may have found its owner.
 * Whoever has verified an address is told that somebody tried to sign up with it; nobody else can be.
 */
export function judgeLetter({ account, addressKey, owner, createdAt, now }: DueLetter): LetterVerdict {
  const goodForSeconds = (letterDiesAt(createdAt) - now) / 1000
  if (goodForSeconds <= 0) return { verdict: 'drop', reason: 'expired' }
  if (addressKey === '') return { verdict: 'drop', reason: 'no_address' }
  if (owner === undefined) {
    const to = { address: account.email, username: account.username }
    return { verdict: 'verify_email', to, link: { issuedAt: createdAt, goodForSeconds } }
  }
  // An earlier letter was quicker, and its reader would wonder who has signed up again.
  if (owner.userId === account.id && owner.verifiedAt >= createdAt)
    return { verdict: 'drop', reason: 'overtaken' }
  return { verdict: 'already_registered', to: { address: owner.email, username: owner.username } }
}

/** When a letter has lost its point, because its link would be dead on arrival. Milliseconds since 1970. */
export function letterDiesAt(createdAt: number): number {
  return createdAt + VERIFY_LINK_TTL_SECONDS * 1000
}
