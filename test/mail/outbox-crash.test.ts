import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { SMTP_CONNECTIONS } from '../../src/mail/mailer.ts'
import { plain } from '../../tools/plain.mjs'
import { linkOf, outboxWorld } from '../helpers/outbox.ts'
import type { Teardown } from '../helpers/postgres.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const WORKER = plain('test/helpers/outbox-worker.ts')
const LETTERS = 12
/** Longer than a process takes to start, and what the test waits for after each kill. */
const LEASE_SECONDS = 2

t.test(
  'a worker that is killed in mid-dialogue loses no letter, and what goes out twice is the same letter with the same link',
  async (t) => {
    for (const [last, mostTwice] of [
      // The server has it and the dead worker never learned of it: the one case in which a letter may go out twice.
      ['accept and stall', SMTP_CONNECTIONS],
      ['stall', 0],
    ] as const) {
      const { url, smtp, signUp, rows, start, until } = await outboxWorld(t)
      const names = Array.from({ length: LETTERS }, (_, index) => `ada${index}`)
      for (const name of names) await signUp(name)
      smtp.script.message.push(250, 250, 250, ...Array.from({ length: SMTP_CONNECTIONS }, () => last))
      const worker = spawnWorker(t, url, smtp.url)
      await until(async () => smtp.stalled === SMTP_CONNECTIONS)
      worker.kill('SIGKILL')
      await once(worker, 'exit')

      const inHand = (await rows()).filter((row) => row.attempts > 0 && row.sent_at === null)
      t.equal(inHand.length, SMTP_CONNECTIONS, 'so many letters were in its hands')
      await start()
      await until(async () => (await rows()).every((row) => row.sent_at !== null))

      const ids = new Map<string, string[]>()
      for (const { recipients, messageId = '', text } of smtp.mails) {
        const key = `${recipients} ${messageId}`
        ids.set(key, [...(ids.get(key) ?? []), linkOf(text)])
      }
      t.strictSame(
        [...ids.keys()].map((key) => key.split('@')[0]).sort(),
        [...names].sort(),
        'every letter arrived, each under one Message-ID',
      )
      const twice = [...ids.values()].filter((links) => links.length > 1)
      t.equal(twice.length, mostTwice)
      t.ok(twice.every((links) => links.length === 2 && links[0] === links[1]))
      t.equal(smtp.mails.length, LETTERS + mostTwice)
    }
  },
)

t.test(
  'a worker that is killed again and again before the server has said a word still gets every letter out',
  async (t) => {
    const { url, smtp, signUp, rows, start, until } = await outboxWorld(t)
    await signUp('ada')
    for (const round of [1, 2]) {
      smtp.script.message.push('stall')
      const worker = spawnWorker(t, url, smtp.url)
      await until(async () => smtp.stalled === round)
      worker.kill('SIGKILL')
      await once(worker, 'exit')
    }
    await start()
    await until(async () => (await rows()).every((row) => row.sent_at !== null))
    t.match(await rows(), [{ attempts: 3, failed_at: null }])
    t.equal(smtp.mails.length, 1)
  },
)

function spawnWorker(t: Teardown, databaseUrl: string, smtpUrl: string): ChildProcess {
  const args = [WORKER, databaseUrl, smtpUrl, `${LEASE_SECONDS}`]
  const worker = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] })
  t.teardown(() => worker.kill('SIGKILL'))
  return worker
}
