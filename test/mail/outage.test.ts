import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import t from 'tap'
import { somebody } from '../helpers/accounts.ts'
import { startApp } from '../helpers/app.ts'
import { get, post } from '../helpers/client.ts'
import type { Teardown } from '../helpers/postgres.ts'
import { createSmtpServer } from '../helpers/smtp.ts'
import { until } from '../helpers/until.ts'

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
      const statuses: number[] = []
      const rest = [...some]
      const walk = async (url: string) => {
        for (let person = rest.shift(); person !== undefined; person = rest.shift())
          statuses.push((await post(`${url}/register`, { ...person })).status)
      }
      await Promise.all([first, second].flatMap(({ url }) => Array.from({ length: 4 }, () => walk(url))))
      return statuses
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
    await until('every letter is sent', async () => {
      if (!(await anyUnsent())) return true
      // Half a minute later. What a worker has in hand at this moment stays his: either it has not failed yet, or it
      // was taken a second time.
      await pool.query(`UPDATE outbox SET next_attempt_at = now()
        WHERE attempts = 1 AND last_error IS NOT NULL AND sent_at IS NULL AND next_attempt_at > now()`)
      for (const { app } of [first, second]) app.outbox.wake()
      return false
    })
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

t.test(
  'in production nothing goes out in the clear: the letter waits, and a code says for what',
  async (t) => {
    const smtp = await createSmtpServer(t)
    const { url, app } = await startApp(t, {
      NODE_ENV: 'production',
      PUBLIC_URL: 'https://auth.example.com',
      SMTP_URL: smtp.url,
      BCRYPT_COST: '10',
      RATE_LIMIT: 'on',
    })
    t.equal((await post(`${url}/register`, { ...somebody() })).status, 201)
    const rows = await until('it was tried', async () => {
      const { rows } = await app.database.pool.query('SELECT sent_at, failed_at, last_error FROM outbox')
      return rows[0]?.last_error !== null && rows
    })
    t.strictSame(rows, [{ sent_at: null, failed_at: null, last_error: 'smtp_starttls_500' }])
    t.equal(smtp.attempts, 0)
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
