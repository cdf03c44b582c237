import type { DueLetter, OutboxStore } from '../core/letter-ports.ts'
import type { Outbox } from '../core/ports.ts'
import type { Bell } from './bell.ts'
import { createBell } from './bell.ts'
import { en } from './letters.en.ts'
import { SMTP_CONNECTIONS } from './mailer.ts'
import type { LetterNeeds, Outcome } from './send-letter.ts'
import { sendLetter } from './send-letter.ts'

export interface OutboxOptions extends Pick<LetterNeeds, 'mailer' | 'keys' | 'links'> {
  readonly store: OutboxStore
  readonly log: OutboxLog
  /** Told what became of each attempt. */
  readonly count?: (outcome: CountedOutcome) => void
  /** English where it is left out. */
  readonly catalogue?: LetterNeeds['catalogue']
  /** None where it is left out. */
  readonly templates?: LetterNeeds['templates']
  readonly timing?: Partial<OutboxTiming>
}

/** `dropped`: it was about something that is over; `given_up`: it failed, and makes no sense to try again. */
export type CountedOutcome = 'sent' | 'dropped' | 'failed' | 'given_up'

/** What the worker needs of a pino logger. */
export interface OutboxLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface OutboxTiming {
  /** How long a letter belongs to whoever took it. Longer than `sendSeconds`, or it goes out twice. */
  readonly leaseSeconds: number
  /** How long a mail server may take over one letter, all told. */
  readonly sendSeconds: number
  readonly retrySeconds: LetterNeeds['retrySeconds']
  /** The least pause between two looks at the database. */
  readonly pollSeconds: number
  /** The longest: the letters of a replica that died are found by the others. */
  readonly idleSeconds: number
  /** How long `stop` waits for the letters in hand. */
  readonly stopSeconds: number
}

const TIMING: OutboxTiming = {
  leaseSeconds: 60,
  sendSeconds: 40,
  retrySeconds: [30, 120, 600, 1800],
  pollSeconds: 1,
  idleSeconds: 10,
  stopSeconds: 5,
}

export interface RunningOutbox extends Outbox {
  /** Takes no more letters; resolves once those in hand are sent or, after `stopSeconds`, given back. */
  stop(): Promise<void>
}

/**
 * Sends what stands in the outbox until it is stopped, in as many lanes as the mailer has connections. No trouble
 * with the database or the mail server ends it. A letter whose outcome was not recorded goes out again, with the
 * same Message-ID and the same link: once per crash at the most.
 */
export function startOutbox(options: OutboxOptions): RunningOutbox {
  const { store, log } = options
  const timing = { ...TIMING, ...options.timing }
  const needs: LetterNeeds = {
    catalogue: en,
    templates: new Map(),
    ...options,
    retrySeconds: timing.retrySeconds,
  }
  const inHand = new Map<string, AbortController>()
  let stopping = false

  async function runLane(bell: Bell): Promise<void> {
    for (let troubles = 0; !stopping; ) {
      let pause = timing.idleSeconds
      try {
        const letter = await store.takeLetter(timing.leaseSeconds)
        troubles = 0
        if (letter !== undefined) {
          await deliver(letter, bell)
          continue
        }
        pause = Math.min(pause, Math.max(timing.pollSeconds, (await store.nextDueInSeconds()) ?? pause))
      } catch (error) {
        pause = Math.min(pause, timing.pollSeconds * 2 ** troubles)
        troubles += 1
        log.warn({ err: error }, 'the outbox could not be read')
      }
      await bell.wait(pause)
    }
  }

  async function deliver(letter: DueLetter, bell: Bell): Promise<void> {
    // Its lease ran out while another lane waits for the database to record that it is sent.
    if (inHand.has(letter.id)) return
    const patience = new AbortController()
    inHand.set(letter.id, patience)
    const timer = setTimeout(() => patience.abort(), timing.sendSeconds * 1000)
    const outcome = await sendLetter(needs, letter, patience.signal)
    clearTimeout(timer)
    report(log, letter, outcome)
    options.count?.(countedAs(outcome))
    while (!(await record(letter, outcome)) && !stopping) await bell.wait(timing.pollSeconds)
    inHand.delete(letter.id)
  }

  async function record(letter: DueLetter, outcome: Outcome): Promise<boolean> {
    try {
      if (outcome.outcome === 'sent') await store.markSent(letter.id)
      else if (outcome.outcome === 'dropped') await store.markFailed(letter, outcome.reason, undefined)
      else await store.markFailed(letter, outcome.reason, outcome.retryInSeconds)
      return true
    } catch (error) {
      log.warn({ err: error, letter: letter.id }, 'what became of a letter could not be recorded')
      return false
    }
  }

  const bells = Array.from({ length: SMTP_CONNECTIONS }, createBell)
  const lanes = Promise.all(bells.map(runLane))
  const wake = () => {
    for (const bell of bells) bell.ring()
  }
  return {
    wake,
    async stop() {
      stopping = true
      wake()
      const giveBack = () => {
        for (const patience of inHand.values()) patience.abort()
      }
      const timer = setTimeout(giveBack, timing.stopSeconds * 1000)
      await lanes
      clearTimeout(timer)
    },
  }
}

function countedAs(outcome: Outcome): CountedOutcome {
  if (outcome.outcome !== 'failed') return outcome.outcome
  return outcome.retryInSeconds === undefined ? 'given_up' : 'failed'
}

function report(log: OutboxLog, { id, attempt }: DueLetter, outcome: Outcome): void {
  switch (outcome.outcome) {
    case 'sent':
      log.info({ letter: id, attempt, wording: outcome.wording }, 'letter sent')
      break
    case 'dropped':
      log.info({ letter: id, attempt, reason: outcome.reason }, 'letter dropped')
      break
    case 'failed': {
      const { reason, retryInSeconds, defect } = outcome
      const fields = { letter: id, attempt, reason, retryInSeconds, err: defect }
      if (defect !== undefined) log.error(fields, 'letter failed')
      else log.warn(fields, 'letter failed')
      break
    }
    default:
      outcome satisfies never
  }
}
