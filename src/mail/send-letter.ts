import { AuthError } from '../core/errors.ts'
import type { WrittenVerdict } from '../core/letter.ts'
import { judgeLetter, letterDiesAt } from '../core/letter.ts'
import type { DueLetter } from '../core/letter-ports.ts'
import { MailError } from './mail-error.ts'
import type { Mailer } from './mailer.ts'
import type { WritingNeeds } from './write-letter.ts'
import { writeLetter } from './write-letter.ts'

export interface LetterNeeds extends WritingNeeds {
  readonly mailer: Mailer
  /** The pause after the first failure, the second, …; the last stands for all that follow. */
  readonly retrySeconds: readonly number[]
}

/** What became of one attempt. Reasons are codes without a name, an address or a word of the mail server. */
export type Outcome =
  | { readonly outcome: 'sent'; readonly wording: WrittenVerdict['verdict'] }
  | { readonly outcome: 'dropped'; readonly reason: string }
  | {
      readonly outcome: 'failed'
      readonly reason: string
      /** `undefined` where it makes no sense to try again. */
      readonly retryInSeconds: number | undefined
      /** Set when we are to blame, and neither the mail server nor the network. */
      readonly defect: Error | undefined
    }

/** Judges the letter, writes it, link and all, and sends it. Never rejects. */
export async function sendLetter(
  needs: LetterNeeds,
  letter: DueLetter,
  signal: AbortSignal,
): Promise<Outcome> {
  const verdict = judgeLetter(letter)
  if (verdict.verdict === 'drop') return { outcome: 'dropped', reason: verdict.reason }
  try {
    const written = writeLetter(needs, letter, verdict)
    const message = { ...written, id: letter.id, to: verdict.to.address, writtenAt: letter.now }
    await needs.mailer.send(message, signal)
    return { outcome: 'sent', wording: verdict.verdict }
  } catch (error) {
    return failure(letter, error, needs.retrySeconds)
  }
}

function failure(letter: DueLetter, error: unknown, retrySeconds: readonly number[]): Outcome {
  const pause = retrySeconds[Math.min(letter.attempt, retrySeconds.length) - 1] ?? 0
  const comesTooLate = letter.now + pause * 1000 >= letterDiesAt(letter)
  const isPermanent = error instanceof MailError && error.permanent
  const retryInSeconds = isPermanent || comesTooLate ? undefined : pause
  if (error instanceof MailError || error instanceof AuthError) {
    return { outcome: 'failed', reason: error.code, retryInSeconds, defect: undefined }
  }
  const defect = error instanceof Error ? error : new Error('something that is no error was thrown')
  return { outcome: 'failed', reason: 'defect', retryInSeconds, defect }
}
