import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import t from 'tap'
import { resendVerification, verifyEmail } from '../../src/core/verify-email.ts'
import type { Mailer } from '../../src/mail/mailer.ts'
import { createMailboxMailer, createSmtpMailer, SMTP_CONNECTIONS } from '../../src/mail/mailer.ts'
import { createMailboxStore } from '../../src/store/mailbox.ts'
import { caller, FROM, latch, linkOf, outboxWorld as world } from '../helpers/outbox.ts'
import { createSmtpServer } from '../helpers/smtp.ts'

t.test('a letter is delivered once by two workers that share the outbox', async (t) => {
  const { start, signUp, rows, smtp } = await world(t)
  const workers = [await start(), await start()]
  const names = Array.from({ length: 40 }, (_, index) => `ada${index}`)
  await Promise.all(names.map((name) => signUp(name)))
  for (const worker of workers) worker.wake()

  const mails = await smtp.received(40)
  await Promise.all(workers.map((worker) => worker.stop()))
  t.strictSame(
    mails.flatMap(({ recipients }) => recipients).sort(),
    names.map((name) => `${name}@example.com`).sort(),
  )
  t.equal(smtp.attempts, 40)
  t.ok(smtp.connections <= 2 * SMTP_CONNECTIONS, `by ${smtp.connections} connections`)
  t.ok((await rows()).every((row) => row.sent_at !== null && row.attempts === 1 && row.last_error === null))
})

t.test('a letter tells machines and people what it is, and has one recipient', async (t) => {
  const { start, signUp, rows, smtp } = await world(t)
  await signUp('ada')
  await start()
  const [mail] = await smtp.received(1)
  const [row] = await rows()
  const header = (key: string) => mail?.headers.filter((one) => one.key === key).map(({ value }) => value)
  t.strictSame(mail?.recipients, ['ada@example.com'])
  t.strictSame(mail?.to, [{ name: '', address: 'ada@example.com' }])
  t.strictSame(mail?.from, { name: 'Example', address: 'no-reply@auth.example.com' })
  t.equal(mail?.subject, 'Confirm your email address')
  t.equal(mail?.messageId, `<${row?.id}@auth.example.com>`)
  t.strictSame(header('auto-submitted'), ['auto-generated'])
  t.equal(header('x-mailer')?.length, 0)
  t.ok(Math.abs(Date.parse(mail?.date ?? '') - Date.now()) < 60_000)
  t.match(linkOf(mail?.text), /^https:\/\/auth\.example\.com\/verify-email\?from=letter&token=[\w-]{56}$/)
  t.equal(linkOf(mail?.text), linkOf(mail?.html?.replaceAll('&#38;', '&')))
})

t.test(
  'the link of the letter verifies the account, once, and the outbox never held its token',
  async (t) => {
    const { start, signUp, pool, needs, smtp, find } = await world(t)
    const { id } = await signUp('ada')
    await start()
    const [mail] = await smtp.received(1)
    const link = new URL(linkOf(mail?.text))
    const token = link.searchParams.get('token') ?? ''
    t.equal(link.searchParams.get('from'), 'letter')
    const stored = await pool.query('SELECT o::text AS text FROM outbox o')
    t.equal(stored.rows.filter(({ text }) => text.includes(token) || text.includes('@')).length, 0)

    await verifyEmail(needs, token, caller)
    t.match(await find(id), { emailVerified: true, activated: true })
    await t.rejects(verifyEmail(needs, token, caller), { code: 'link_invalid' })
  },
)

t.test(
  'letters asked for while the mail server is down are delivered when it is back, none twice',
  async (t) => {
    const { start, signUp, until, rows, smtp } = await world(t)
    await smtp.down()
    const worker = await start()
    await Promise.all(Array.from({ length: 20 }, (_, index) => signUp(`ada${index}`)))
    worker.wake()
    await until(async () => (await rows()).every((row) => row.attempts > 0))
    t.ok((await rows()).every((row) => row.last_error === 'econnrefused' || row.last_error === null))

    await smtp.up()
    await smtp.received(20)
    await until(async () => (await rows()).every((row) => row.sent_at !== null))
    await worker.stop()
    t.equal(new Set(smtp.mails.map(({ messageId }) => messageId)).size, 20)
    t.equal(smtp.mails.length, 20)
  },
)

t.test(
  'a server that says "later" to the recipient, then to the message, gets the letter a third time',
  async (t) => {
    const { start, signUp, until, rows, logged, smtp } = await world(t)
    smtp.script.recipient.push(451)
    smtp.script.message.push(452)
    await signUp('ada')
    const worker = await start()
    await smtp.received(1)
    await until(async () => (await rows()).every((row) => row.sent_at !== null))
    await worker.stop()
    t.match(await rows(), [{ attempts: 3, failed_at: null, last_error: null }])
    t.strictSame(
      logged.flatMap(({ reason }) => reason ?? []),
      ['smtp_rcpt_451', 'smtp_data_452'],
    )
  },
)

t.test('a refusal for good ends the letter at once, and leaves a code and no address behind', async (t) => {
  for (const [where, reason] of [
    ['recipient', 'smtp_rcpt_550'],
    ['message', 'smtp_data_554'],
  ] as const) {
    const { start, signUp, until, rows, logged, smtp } = await world(t)
    smtp.script[where].push(Number(reason.slice(-3)))
    await signUp('ada')
    const worker = await start()
    await until(async () => (await rows()).every((row) => row.failed_at !== null))
    await worker.stop()
    t.match(await rows(), [{ attempts: 1, sent_at: null, last_error: reason }])
    t.equal(smtp.attempts, 1)
    t.notMatch(JSON.stringify(logged), /@|token=|welcome/)
  }
})

t.test(
  'a server that hangs up in the middle gets the letter again; had it kept it, with the same id and link',
  async (t) => {
    const { start, signUp, until, rows, smtp } = await world(t)
    smtp.script.message.push('cut', 'accept and cut')
    await signUp('ada')
    const worker = await start()
    const [first, second] = await smtp.received(2)
    await until(async () => (await rows()).every((row) => row.sent_at !== null))
    await worker.stop()
    t.match(await rows(), [{ attempts: 3, last_error: null }])
    t.equal(smtp.mails.length, 2)
    t.equal(first?.messageId, second?.messageId)
    t.equal(linkOf(first?.text), linkOf(second?.text))
  },
)

t.test(
  'a worker that dies with a letter in hand delays it until its lease ends, and no longer',
  async (t) => {
    const { start, signUp, outbox, rows, until, smtp } = await world(t)
    await signUp('ada')
    const taken = await outbox.takeLetter(0.4)
    t.equal(taken?.attempt, 1)
    t.equal(await outbox.takeLetter(30), undefined, 'nobody else gets it meanwhile')
    await start()
    await smtp.received(1)
    await until(async () => (await rows()).every((row) => row.sent_at !== null))
    t.match(await rows(), [{ attempts: 2 }])

    if (taken !== undefined) await outbox.markFailed(taken, 'late', 0)
    t.match(await rows(), [{ failed_at: null, last_error: null }], 'and the dead cannot take it back')
  },
)

t.test(
  'who signs up with a verified address only causes a note to its owner, at the address as stored',
  async (t) => {
    const { start, signUp, needs, smtp } = await world(t)
    await signUp('owner', 'Ada@Example.com')
    const worker = await start()
    const [first] = await smtp.received(1)
    await verifyEmail(needs, new URL(linkOf(first?.text)).searchParams.get('token') ?? '', caller)

    await signUp('stranger', 'ada@EXAMPLE.com')
    worker.wake()
    const [, note] = await smtp.received(2)
    t.strictSame(
      note?.recipients,
      ['Ada@example.com'],
      'SMTP folds the case of the domain, and of nothing else',
    )
    t.strictSame(note?.to, [{ name: '', address: 'Ada@example.com' }])
    t.equal(note?.subject, 'You already have an account')
    t.match(note?.text, /^Hello owner,/)
    t.notMatch(`${note?.text}${note?.html}`, /stranger|https?:|token/)

    await resendVerification({ ...needs, outbox: worker }, 'ada@example.com', caller)
    await smtp.received(3)
  },
)

t.test(
  'letters that have lost their point are dropped: confirmed meanwhile, or older than their link',
  async (t) => {
    const { start, signUp, until, rows, pool, smtp } = await world(t)
    await signUp('quick')
    await pool.query("UPDATE users SET email_verified_at = now() + interval '1 second'")
    await signUp('old')
    await pool.query(`UPDATE outbox SET created_at = now() - interval '73 hours'
    WHERE user_id = (SELECT id FROM users WHERE username = 'old')`)
    await start()
    await until(async () => (await rows()).every((row) => row.failed_at !== null))
    t.strictSame((await rows()).map((row) => row.last_error).sort(), ['expired', 'overtaken'])
    t.equal(smtp.attempts, 0)
  },
)

t.test('a letter is given up when the next attempt would be after the end of its link', async (t) => {
  const { start, signUp, until, rows, pool, smtp } = await world(t)
  smtp.script.recipient.push(451)
  await signUp('ada')
  await pool.query("UPDATE outbox SET created_at = now() - interval '71 hours 50 minutes'")
  await start({ retrySeconds: [600] })
  await until(async () => (await rows()).every((row) => row.failed_at !== null))
  t.match(await rows(), [{ attempts: 1, last_error: 'smtp_rcpt_451' }])
})

t.test('each pause is longer than the one before, and the last one stays', async (t) => {
  const { start, signUp, until, rows, logged, pool, smtp } = await world(t)
  smtp.script.recipient.push(451, 451, 451, 451)
  await signUp('ada')
  const worker = await start({ retrySeconds: [30, 120, 600] })
  for (const attempts of [1, 2, 3, 4]) {
    await until(async () =>
      (await rows()).every((row) => row.attempts === attempts && row.last_error !== null),
    )
    await pool.query('UPDATE outbox SET next_attempt_at = now(), last_error = NULL')
    worker.wake()
  }
  await smtp.received(1)
  await worker.stop()
  t.strictSame(
    logged.flatMap(({ retryInSeconds }) => retryInSeconds ?? []),
    [30, 120, 600, 600],
  )
})

t.test(
  'an operator sees what waits, how long, and what was given up, but not what nobody misses',
  async (t) => {
    const { start, signUp, until, rows, pool, state, smtp } = await world(t)
    t.strictSame(await state(), { waiting: 0, oldestSeconds: 0, failed: 0 })
    for (const name of ['refused', 'overtaken', 'late', 'sent', 'waits']) await signUp(name)
    t.match(await state(), { waiting: 5, failed: 0 })
    const of = (name: string) => `WHERE user_id = (SELECT id FROM users WHERE username = '${name}')`
    await pool.query(
      `UPDATE users SET email_verified_at = now() + interval '1 second' WHERE username = 'overtaken'`,
    )
    await pool.query(`UPDATE outbox SET created_at = now() - interval '73 hours' ${of('late')}`)
    await pool.query(
      `UPDATE outbox SET next_attempt_at = now() + interval '1 day', created_at = now() - interval '1 hour' ${of('waits')}`,
    )
    await pool.query(`UPDATE outbox SET next_attempt_at = now() - interval '1 day' ${of('refused')}`)
    smtp.script.recipient.push(550)
    await start()
    await until(async () => (await rows()).filter((row) => row.sent_at ?? row.failed_at).length === 4)
    const { oldestSeconds, ...counts } = await state()
    t.strictSame(counts, { waiting: 1, failed: 2 })
    t.ok(oldestSeconds >= 3600 && oldestSeconds < 3700)
  },
)

t.test(
  'the hash of a password, which letters are judged by, reaches neither the log nor the letter',
  async (t) => {
    const { start, signUp, until, rows, pool, logged, smtp } = await world(t)
    await signUp('ada')
    await pool.query(
      "UPDATE users SET password_hash = 'bcrypt_sha256$secret', email_verified_at = now() - interval '1 day'",
    )
    await pool.query("UPDATE outbox SET kind = 'reset'")
    smtp.script.recipient.push(451)
    await start()
    await until(async () => (await rows()).every((row) => row.sent_at !== null))
    t.equal(smtp.mails[0]?.subject, 'Choose a new password')
    t.notMatch(JSON.stringify([logged, smtp.mails, await rows()]), 'bcrypt_sha256')
  },
)

t.test('an account that is deleted takes its letters with it', async (t) => {
  const { start, signUp, pool, rows, smtp } = await world(t)
  await signUp('gone')
  await pool.query('DELETE FROM users')
  await signUp('ada')
  await start()
  await smtp.received(1)
  t.equal((await rows()).length, 1)
})

t.test(
  'a database that is away neither ends the worker nor makes it spin, and no sent letter goes out twice',
  async (t) => {
    const { signUp, start, outbox, logged, until, rows, smtp } = await world(t)
    let takes = 0
    let isAway = false
    const away = () => Promise.reject(new Error('away'))
    const flaky: typeof outbox = {
      ...outbox,
      takeLetter: (lease) => {
        takes += 1
        return isAway ? away() : outbox.takeLetter(lease)
      },
      markSent: (id) => (isAway ? away() : outbox.markSent(id)),
    }
    const mailer = createSmtpMailer({ url: smtp.url, from: FROM, requireTls: false })
    t.teardown(() => mailer.close())
    await signUp('ada')
    const fallingOver: Mailer = {
      ...mailer,
      async send(message, signal) {
        await mailer.send(message, signal)
        isAway = true
      },
    }
    await start({ leaseSeconds: 0.1, pollSeconds: 0.05 }, { store: flaky, mailer: fallingOver })
    await until(async () =>
      logged.some(({ message }) => message === 'what became of a letter could not be recorded'),
    )
    takes = 0
    const began = performance.now()
    await until(async () => takes >= 10)
    t.ok(performance.now() - began > 400, 'it asks less often than ten times in 0.4 s')
    isAway = false
    await until(async () => (await rows()).every((row) => row.sent_at !== null))
    t.equal(smtp.attempts, 1)
  },
)

t.test('whoever waits for a letter does not wait for the next round of the worker', async (t) => {
  const { signUp, start, outbox, smtp } = await world(t)
  const resting = latch()
  const store = {
    ...outbox,
    async nextDueInSeconds() {
      resting.open()
      return outbox.nextDueInSeconds()
    },
  }
  const worker = await start({ pollSeconds: 60, idleSeconds: 60 }, { store })
  await resting.opened
  await signUp('ada')
  worker.wake()
  await smtp.received(1)
})

t.test('stop lets the letter in hand go out', async (t) => {
  const { signUp, start, rows } = await world(t)
  await signUp('ada')
  const begun = latch()
  const finished = latch()
  const slow: Mailer = {
    async send() {
      begun.open()
      await finished.opened
    },
    close() {},
  }
  const worker = await start({}, { mailer: slow })
  await begun.opened
  const stopped = worker.stop()
  finished.open()
  await stopped
  const [row] = await rows()
  t.not(row?.sent_at, null)
})

t.test('stop gives up on a mail server that says nothing, and the letter is tried again later', async (t) => {
  const { signUp, start, rows } = await world(t)
  const silent = createServer().listen(0, '127.0.0.1')
  const connected = once(silent, 'connection')
  t.teardown(() => silent.close())
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const mailer = createSmtpMailer({ url: `smtp://127.0.0.1:${port}`, from: FROM, requireTls: false })
  await signUp('ada')
  const worker = await start({ stopSeconds: 0.1 }, { mailer })
  await connected
  const before = performance.now()
  await worker.stop()
  t.ok(performance.now() - before < 1000)
  t.match(await rows(), [{ attempts: 1, sent_at: null, failed_at: null, last_error: 'eabort' }])
})

t.test('where TLS is required nothing goes out in the clear, whatever the URL says', async (t) => {
  const { signUp, start, until, rows, smtp } = await world(t)
  const url = `${smtp.url}?requireTLS=false&ignoreTLS=true`
  const mailer = createSmtpMailer({ url, from: FROM, requireTls: true })
  t.teardown(() => mailer.close())
  await signUp('ada')
  const worker = await start({ retrySeconds: [60] }, { mailer })
  await until(async () => (await rows()).some((row) => row.last_error !== null))
  await worker.stop()
  t.equal(smtp.attempts, 0)
  t.match(
    await rows(),
    [{ sent_at: null, failed_at: null, last_error: 'smtp_starttls_500' }],
    'it waits, and the code says for what',
  )

  const upgrading = await createSmtpServer(t, { disabledCommands: ['AUTH'] })
  const upgraded = createSmtpMailer({
    url: `${upgrading.url}?tls.rejectUnauthorized=false`,
    from: FROM,
    requireTls: true,
  })
  t.teardown(() => upgraded.close())
  await signUp('eve')
  await start({}, { mailer: upgraded })
  const [mail] = await upgrading.received(1)
  t.equal(mail?.isEncrypted, true)
})

t.test(
  'the mailbox keeps a letter once, with its links, newest first, found by address in any case',
  async (t) => {
    const { signUp, start, until, rows, database } = await world(t)
    const mailbox = createMailboxStore(database)
    const mailer = createMailboxMailer(mailbox)
    await signUp('ada')
    const worker = await start({}, { mailer })
    await until(async () => (await rows()).every((row) => row.sent_at !== null))
    await signUp('eve')
    worker.wake()
    await until(async () => (await rows()).every((row) => row.sent_at !== null))

    const messages = await mailbox.list()
    t.strictSame(
      messages.map(({ to }) => to),
      ['eve@example.com', 'ada@example.com'],
    )
    const [ada] = await mailbox.list('ADA@example.com')
    t.strictSame(ada?.links, [linkOf(ada?.text)])
    if (ada !== undefined) await mailbox.add(ada)
    t.equal((await mailbox.list()).length, 2)
  },
)

t.test('the mailbox forgets the oldest letters beyond 500', async (t) => {
  const { pool, database } = await world(t)
  const mailbox = createMailboxStore(database)
  await pool.query(`INSERT INTO mailbox (id, "to", subject, text, html, links, sent_at)
    SELECT gen_random_uuid(), n || '@example.com', '', '', '', '{}', now() - n * interval '1 second'
    FROM generate_series(1, 500) n`)
  const fresh = { to: 'ada@example.com', subject: '', text: '', html: '', links: [] }
  await mailbox.add({ ...fresh, id: '01890000-0000-7000-8000-000000000000' })
  const addresses = (await mailbox.list()).map(({ to }) => to)
  t.equal(addresses.length, 500)
  t.equal(addresses[0], 'ada@example.com')
  t.notOk(addresses.includes('500@example.com'))
})
