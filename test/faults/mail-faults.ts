import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../helpers/until.ts'
import type { Fault } from './fault.ts'
import type { Person } from './person.ts'
import { newPerson } from './person.ts'
import type { World } from './world.ts'

const PEOPLE = 6
/** Instead of waiting half a minute for the second try; a letter in hand, whose lease is a minute, is left alone. */
const TRY_NOW = `
  UPDATE outbox SET next_attempt_at = now()
  WHERE sent_at IS NULL AND failed_at IS NULL
    AND (next_attempt_at <= now() + interval '30 seconds' OR next_attempt_at > now() + interval '61 seconds')`

let waiting: readonly Person[] = []

/** What happens to the mail server; each time people ask for a letter meanwhile. */
export const mailFaults: readonly Fault[] = [
  {
    name: 'SMTP down, silent, slow, cut in mid-dialogue',
    prepare: signUp,
    async happen(world) {
      const { smtp, smtpGate } = world
      const [first = [], second = [], third = []] = [0, 2, 4].map((from) => waiting.slice(from, from + 2))
      await smtp.down()
      await askForLetters(world, first)
      await pause(2000)
      await smtp.up()
      smtpGate.hang()
      await askForLetters(world, second)
      await pause(2000)
      smtpGate.open()
      smtpGate.delay(300)
      smtp.script.message.push('cut', 'cut')
      await askForLetters(world, third)
      // Each cut ends all connections: the other letter may have to come again, in half a minute, to be cut off itself.
      await until('two letters were cut off', async () => {
        await world.cluster.query(TRY_NOW)
        await pause(250)
        return smtp.script.message.length === 0
      })
      smtpGate.delay(0)
    },
    // Whose connection ends behind the last dot cannot know whether the letter was taken (RFC 1047).
    check: (world) => countLetters(world, 2),
    isWithoutHashes: true,
    promise: { answerWithinMs: 3000, recoverWithinMs: 0, refusesNobody: true },
  },
  {
    name: 'Replica killed (-9) in the middle of a letter',
    prepare: signUp,
    async happen(world) {
      const { smtp } = world
      const before = smtp.stalled
      // Enough for each lane of each replica, so that whoever is killed has letters in hand.
      smtp.script.message.push(...waiting.map(() => 'accept and stall' as const))
      await askForLetters(world, waiting)
      await until('letters are in hand', () => smtp.stalled - before >= waiting.length)
      await world.killAndStart(0)
      // The others would wait for their server until they lose patience.
      await smtp.down()
      await smtp.up()
    },
    check: (world) => countLetters(world, 2),
    promise: { answerWithinMs: 3000, recoverWithinMs: 2000, mayLeaveUnanswered: true },
  },
]

async function signUp({ client }: World): Promise<void> {
  waiting = Array.from({ length: PEOPLE }, newPerson)
  for (const person of waiting) await client.register(person)
}

async function askForLetters({ client }: World, people: readonly Person[]): Promise<void> {
  for (const person of people) {
    const { status } = await client.requestReset(person)
    if (status !== 200) throw new Error(`a letter could not be asked for: ${status}`)
  }
}

/** Every letter has arrived, and at most so many times. */
async function countLetters({ smtp, cluster }: World, most: number): Promise<string[]> {
  const copies = ({ email }: Person) =>
    smtp.mails.filter((mail) => mail.recipients.includes(email) && mail.text?.includes('/reset?token='))
      .length
  const isDelivered = async () => {
    await cluster.query(TRY_NOW)
    await pause(500)
    const [row] = await cluster.query('SELECT count(*)::int AS n FROM outbox WHERE sent_at IS NULL')
    return row?.['n'] === 0 && waiting.every((person) => copies(person) > 0)
  }
  await until('every letter has arrived', isDelivered, 60).catch(() => undefined)
  return waiting.flatMap((person) => {
    const count = copies(person)
    if (count === 0) return ['a letter was lost']
    return count > most ? [`a letter came ${count} times`] : []
  })
}
