/** Up to where a reader of the revocations has read. */
export interface ReadUpTo {
  /** Names the life of the process that said so: positions of another one, or of an earlier one, mean nothing. */
  readonly life: Buffer
  /** Of the last revocation that was told. */
  readonly position: number
  /** The clock of the database when that process had last asked it, milliseconds since 1970. */
  readonly clock: number
}

/** What a process knows of itself when a reader comes back. */
export interface Knowledge extends ReadUpTo {
  /** The position up to which it has forgotten what it knew. */
  readonly forgotten: number
  /** What was revoked at this time or before, no process holds any more. */
  readonly heldSince: number
  /** When it last learnt of a revocation that had been committed late; before everything where it never did. */
  readonly lateAt: number
}

/** What is to be told: what stands behind a position, what was revoked after a time, or everything held. */
export type Telling =
  | { readonly kind: 'behind'; readonly position: number }
  | { readonly kind: 'since'; readonly revokedAfter: number }
  | { readonly kind: 'all'; readonly reset: boolean }

/**
 * A revocation is stamped when its transaction begins and can be seen when it has ended: no later than this, for no
 * statement and no idle transaction of ours lives so long. Whoever has asked at a time knows all that was stamped
 * this long before it, but for what an operator revokes by hand in one long statement.
 */
export const COMMIT_WITHIN_SECONDS = 10
/** Such a statement is noticed by every replica within this time of the first that noticed it. */
export const LATE_WITHIN_SECONDS = 60
/** The clock of a process that has just revoked something itself runs ahead of its last question by no more. */
const CLOCK_SLACK_SECONDS = 2

export const LIFE_BYTES = 8
const CURSOR_BYTES = LIFE_BYTES + 6 + 6

/** Opaque to its reader; not signed, for a forged one cheats only whoever forged it. */
export function encodeCursor({ life, position, clock }: ReadUpTo): string {
  const bytes = Buffer.alloc(CURSOR_BYTES)
  life.copy(bytes, 0, 0, LIFE_BYTES)
  bytes.writeUIntBE(position, LIFE_BYTES, 6)
  bytes.writeUIntBE(clock, LIFE_BYTES + 6, 6)
  return bytes.toString('base64url')
}

function decodeCursor(cursor: string): ReadUpTo | undefined {
  const bytes = Buffer.from(cursor, 'base64url')
  if (bytes.length !== CURSOR_BYTES || bytes.toString('base64url') !== cursor) return undefined
  return {
    life: bytes.subarray(0, LIFE_BYTES),
    position: bytes.readUIntBE(LIFE_BYTES, 6),
    clock: bytes.readUIntBE(LIFE_BYTES + 6, 6),
  }
}

/**
 * What a reader with this cursor must be told so that nothing is ever skipped. By position where this process wrote
 * the cursor, for it may learn late of what was revoked early. By time where another replica did: the reader has all
 * of which that one could be sure, and is told the rest once more. Everything where neither helps.
 */
export function judgeCursor(cursor: string | undefined, known: Knowledge): Telling {
  if (cursor === undefined) return { kind: 'all', reset: false }
  const read = decodeCursor(cursor)
  if (read === undefined) return { kind: 'all', reset: true }
  if (read.life.equals(known.life)) {
    const isHeld = read.position >= known.forgotten && read.position <= known.position
    return isHeld ? { kind: 'behind', position: read.position } : { kind: 'all', reset: true }
  }
  const revokedAfter = read.clock - (COMMIT_WITHIN_SECONDS + CLOCK_SLACK_SECONDS) * 1000
  const trustedAfter = Math.max(known.heldSince, known.lateAt + LATE_WITHIN_SECONDS * 1000)
  const isKnown = revokedAfter >= trustedAfter && read.clock <= known.clock + COMMIT_WITHIN_SECONDS * 1000
  return isKnown ? { kind: 'since', revokedAfter } : { kind: 'all', reset: true }
}
