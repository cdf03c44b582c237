import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { somebody } from '../helpers/accounts.ts'
import { startApp } from '../helpers/app.ts'
import { get, post } from '../helpers/client.ts'
import type { Teardown } from '../helpers/postgres.ts'
import { createSmtpServer } from '../helpers/smtp.ts'

const HALF = 100

t.test(
  'while no mail server answers, or one that says nothing, 200 sign-ups are answered and none of their letters is lost or sent twice',
  async (t) => {
    const smtp = await createSmtpServer(t)
    const settings = { SMTP_URL: smtp.url }
    const first = await startApp(t, settings)
    const second = await startApp(t, settings, { beside: first })
    const { pool } = first.app.database
    const people = Array.from({ length: 2 * HALF }, somebody)
    const signUp = async (some: typeof people) => {
      const answers = some.map((person, index) =>
        post(`${index % 2 === 0 ? first.url : second.url}/register`, { ...person }),
      )
      return (await Promise.all(answers)).map(({ status }) => status)
    }
    const created = Array.from({ length: HALF }, () => 201)

    await smtp.down()
    t.strictSame(await signUp(people.slice(0, HALF)), created, 'it refuses connections')
    const silent = await listenSilently(t, Number(new URL(smtp.url).port))
    for (const { app } of [first, second]) app.outbox.wake()
    t.strictSame(await signUp(people.slice(HALF)), created, 'it takes them and says nothing')
    t.equal(smtp.attempts, 0, 'all that before the first letter could go out')
    const gauge = await waiting(first.url)
    t.equal(gauge, 2 * HALF, 'and an operator sees that they wait')

    await silent.close()
    await smtp.up()
    await pool.query('UPDATE outbox SET next_attempt_at = now() WHERE next_attempt_at > now()')
    for (const { app } of [first, second]) app.outbox.wake()
    while (await anyUnsent()) {
      // Those that the silent server had in hand are due again only later.
      await pool.query(
        "UPDATE outbox SET next_attempt_at = now() WHERE sent_at IS NULL AND last_error IS NOT NULL AND next_attempt_at > now() + interval '5 seconds'",
      )
      for (const { app } of [first, second]) app.outbox.wake()
      await sleep(50)
    }
    t.strictSame(
      smtp.mails.flatMap(({ recipients }) => recipients).sort(),
      people.map(({ email }) => email).sort(),
    )
    t.equal(new Set(smtp.mails.map(({ messageId }) => messageId)).size, 2 * HALF)

    async function anyUnsent(): Promise<boolean> {
      const { rows } = await pool.query('SELECT FROM outbox WHERE sent_at IS NULL LIMIT 1')
      return rows.length > 0
    }
  },
)

/** What /metrics says of letters that wait, summed up by all replicas. */
async function waiting(url: string): Promise<number> {
  const { body } = await get(`${url}/metrics`)
  return Number(/^keyturn_outbox_letters\{state="waiting"\} (\d+)$/m.exec(`${body['text']}`)?.[1])
}

/** Takes connections and never says a word. */
async function listenSilently(t: Teardown, port: number): Promise<{ close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(port, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  t.teardown(close)
  return { close }
}
