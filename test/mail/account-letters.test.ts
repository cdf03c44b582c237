import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Person, Tokens } from '../helpers/accounts.ts'
import { somebody, tokensOf } from '../helpers/accounts.ts'
import type { Settings } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, get, post } from '../helpers/client.ts'
import { linkOf } from '../helpers/outbox.ts'
import type { Teardown } from '../helpers/postgres.ts'
import type { ReceivedMail } from '../helpers/smtp.ts'
import { createSmtpServer } from '../helpers/smtp.ts'
import { until } from '../helpers/until.ts'

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0'
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1'
const WHEN = /\nWhen: \d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC\n/

t.test(
  'a forgotten password: the letter goes to the address as it is stored, and its link is ours',
  async (t) => {
    const { signUp, call, letter, stored } = await world(t)
    const person = await signUp({ email: 'Ada.Lovelace@example.org' })
    await call(
      'request-reset',
      { email: 'ada.lovelace@EXAMPLE.org' },
      { host: 'evil.example', 'x-forwarded-host': 'evil.example' },
    )
    const mail = await letter('Choose a new password')
    t.strictSame(mail.to, [{ name: '', address: person.email }])
    const link = new URL(linkOf(mail.text))
    t.equal(link.origin + link.pathname, 'https://auth.example.com/reset')
    const token = tokenOf(mail)
    t.notMatch(await stored(), token, 'the outbox never held its token')

    const password = `another ${randomUUID()}`
    t.equal((await call('reset', { token, password }, { 'user-agent': IPHONE })).status, 200)
    const notice = await letter('Your password was changed')
    t.strictSame(notice.to, [{ name: '', address: person.email }])
    t.match(notice.text, WHEN)
    t.match(notice.text, '\nDevice: Safari on iPhone\nInternet address: 127.0.0.1\n')
    t.equal(linkOf(notice.text), 'https://auth.example.com/request-reset')
    t.equal((await call('reset', { token, password: `third ${randomUUID()}` })).status, 400, 'it works once')
  },
)

t.test('a change of address: a link to the new one, a notice with the way back to the old one', async (t) => {
  const { signUp, call, letter, user } = await world(t)
  const person = await signUp()
  const email = `New.${person.email}`
  await call(
    'change-email',
    { email, password: person.password },
    { ...bearer(person.access), 'user-agent': FIREFOX },
  )
  const [confirm, notice] = [
    await letter('Confirm your new email address'),
    await letter('Your email address is being changed'),
  ]
  t.strictSame(confirm.to, [{ name: '', address: email }])
  t.strictSame(notice.to, [{ name: '', address: person.email }])
  t.notMatch(
    `${notice.text}${notice.html}`,
    email,
    'who asked for it chose that address, and would choose what stands here',
  )
  t.match(notice.text, WHEN)
  t.match(notice.text, '\nDevice: Firefox on Windows\nInternet address: 127.0.0.1\n')
  t.match((await user(person)).body, { email: person.email }, 'nothing has changed yet')

  const confirmed = await call('confirm-email', { token: tokenOf(confirm) })
  t.equal(confirmed.status, 200)
  t.match((await user(person)).body, { email })
  t.equal((await call('undo-email', { token: tokenOf(confirm) })).status, 400, 'one link is not the other')
  t.equal((await call('undo-email', { token: tokenOf(notice) })).status, 200)
  const reset = await letter('Choose a new password')
  t.strictSame(reset.to, [{ name: '', address: person.email }])
  const password = `another ${randomUUID()}`
  t.equal((await call('reset', { token: tokenOf(reset), password })).status, 200)
  t.equal((await call('token', { username: person.username, password })).status, 200)
})

t.test('the way back is open before the change is made, and closes the way forward', async (t) => {
  const { signUp, call, letter } = await world(t)
  const person = await signUp()
  await call(
    'change-email',
    { email: `new.${person.email}`, password: person.password },
    bearer(person.access),
  )
  const [confirm, notice] = [
    await letter('Confirm your new email address'),
    await letter('Your email address is being changed'),
  ]
  t.equal((await call('undo-email', { token: tokenOf(notice) })).status, 200)
  t.equal((await call('confirm-email', { token: tokenOf(confirm) })).status, 400)
})

t.test('who wants the address of somebody else only causes a note to its owner', async (t) => {
  const { signUp, call, letter, smtp } = await world(t)
  const owner = await signUp({ email: 'Owner@example.org' })
  const person = await signUp()
  const answer = await call(
    'change-email',
    { email: 'owner@EXAMPLE.org', password: person.password },
    bearer(person.access),
  )
  t.equal(answer.status, 200)
  const note = await letter('You already have an account')
  t.strictSame(note.to, [{ name: '', address: 'Owner@example.org' }])
  t.match(note.text, `Hello ${owner.username},`)
  t.notMatch(`${note.text}${note.html}`, new RegExp(`${person.username}|token=|https?:`))
  await letter('Your email address is being changed')
  t.equal(smtp.mails.length, 2, 'and the notice to the old address of whoever tried')
})

t.test('letters that nobody waits for any more are not written', async (t) => {
  const { signUp, call, smtp, pause, settled } = await world(t)
  const person = await signUp()
  const resume = await pause()
  await call('request-reset', { email: person.email })
  await call(
    'change-email',
    { email: `first.${person.email}`, password: person.password },
    bearer(person.access),
  )
  await call(
    'change-email',
    { email: `second.${person.email}`, password: person.password },
    bearer(person.access),
  )
  await resume('UPDATE users SET disabled_at = now()')
  t.strictSame(await settled(), {
    reset: ['disabled'],
    email_change: ['disabled', 'disabled'],
    email_change_notice: ['sent', 'sent'],
  })
  t.equal(smtp.mails.length, 2)
})

t.test('the link to a new address that was given up for another one is not written', async (t) => {
  const { signUp, call, pause, settled, smtp } = await world(t)
  const person = await signUp()
  const resume = await pause()
  await call(
    'change-email',
    { email: `first.${person.email}`, password: person.password },
    bearer(person.access),
  )
  await call(
    'change-email',
    { email: `second.${person.email}`, password: person.password },
    bearer(person.access),
  )
  await resume()
  t.match(await settled(), { email_change: ['overtaken', 'sent'] })
  const to = smtp.mails.flatMap(({ recipients }) => recipients)
  t.notOk(to.includes(`first.${person.email}`))
})

t.test(
  'a sign-in on a new device is told; the first ever, and one on a device that is known, are not',
  async (t) => {
    const { signUp, signIn, settled, letter, wake } = await world(t)
    const person = await signUp()
    await signIn(person)
    t.strictSame(await settled(), {})
    await signIn(person, FIREFOX)
    await signIn(person, FIREFOX)
    await wake()
    const notice = await letter('New sign-in to your account')
    t.strictSame(notice.to, [{ name: '', address: person.email }])
    t.match(notice.text, WHEN)
    t.match(notice.text, '\nDevice: Firefox on Windows\nInternet address: 127.0.0.1\n')
    t.strictSame(await settled(), { new_device: ['sent'] })
  },
)

t.test('an account that signs in from ever new devices gets three letters an hour about it', async (t) => {
  const { signUp, signIn, settled } = await world(t)
  const person = await signUp()
  for (const version of [1, 2, 3, 4, 5]) await signIn(person, `Mozilla/5.0 (X11; Linux) Firefox/${version}`)
  t.strictSame(await settled(), { new_device: ['sent', 'sent', 'sent'] })
})

t.test(
  'a stolen refresh token: the owner is told which device was signed out, and where the copy turned up',
  async (t) => {
    const { signUp, signIn, call, letter, settled, wake } = await world(t, {
      REFRESH_REPLAY: 'strict',
      REFRESH_GRACE: '0s',
    })
    const person = await signUp()
    const { refresh } = await signIn(person, FIREFOX)
    await wake()
    t.equal((await call('refresh', { refresh })).status, 200)
    await sleep(5)
    const theft = await call('refresh', { refresh }, { 'user-agent': 'curl/8.10.1' })
    t.match(theft, { status: 401, body: { code: 'refresh_replayed' } })
    const notice = await letter('We have signed out one of your devices')
    t.strictSame(notice.to, [{ name: '', address: person.email }])
    t.match(notice.text, WHEN)
    t.match(
      notice.text,
      '\nDevice that is signed out: Firefox on Windows\nWhere its key turned up again: 127.0.0.1\n',
    )

    await call('refresh', { refresh })
    const { refresh: other } = await signIn(person, FIREFOX)
    await call('logout', { refresh: other })
    t.match(await settled(), { session_ended: ['sent'] }, 'once, and not for a session that its owner ended')
  },
)

t.test('an address that nobody has confirmed is told nothing about the account', async (t) => {
  const { signUp, signIn, call, settled, letter } = await world(t, { EMAIL_VERIFICATION: 'optional' })
  const person = await signUp()
  await letter('Confirm your email address')
  const { access } = await signIn(person, FIREFOX)
  const { password } = person
  await call(
    'change-password',
    { current_password: password, new_password: `another ${password}` },
    bearer(access),
  )
  await call(
    'change-email',
    { email: `new.${person.email}`, password: `another ${password}` },
    bearer(access),
  )
  await letter('Confirm your new email address')
  t.strictSame(await settled(), {
    verification: ['sent'],
    password_changed: ['unverified'],
    email_change: ['sent'],
  })
})

function tokenOf({ text = '' }: ReceivedMail): string {
  return new URL(linkOf(text)).searchParams.get('token') ?? 'no token'
}

/** A service that sends by a real mail server, and what a test does to it. */
async function world(t: Teardown & Parameters<typeof startApp>[0], settings: Settings = {}) {
  const smtp = await createSmtpServer(t)
  const service = await startApp(t, {
    SMTP_URL: smtp.url,
    PUBLIC_URL: 'https://auth.example.com',
    EMAIL_VERIFICATION: 'off',
    ...settings,
  })
  const { pool } = service.app.database

  function call(
    path: string,
    fields: Readonly<Record<string, string>>,
    headers: Record<string, string> = {},
  ) {
    return post(`${service.url}/${path}`, fields, { headers })
  }

  /** What became of each letter, by its kind; once none waits. */
  async function settled(): Promise<Record<string, string[]>> {
    service.app.outbox.wake()
    return until('no letter waits', async () => {
      const { rows } = await pool.query<{ kind: string; became: string[]; waits: boolean }>(
        `SELECT kind, array_agg(CASE WHEN sent_at IS NULL THEN last_error ELSE 'sent' END ORDER BY id) AS became,
                bool_or(sent_at IS NULL AND failed_at IS NULL) AS waits FROM outbox GROUP BY kind`,
      )
      const { rowCount: asked } = await pool.query('SELECT FROM letter_requests')
      const areSettled = asked === 0 && rows.every(({ waits }) => !waits)
      return areSettled && Object.fromEntries(rows.map(({ kind, became }) => [kind, became]))
    })
  }

  return {
    smtp,
    call,
    settled,
    user: ({ access }: Tokens) => get(`${service.url}/user`, access),
    wake: async () => service.app.outbox.wake(),

    async signUp(fields: Partial<Person> = {}): Promise<Person & Tokens> {
      const person = { ...somebody(), ...fields }
      const answer = await call('register', { ...person })
      if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
      return {
        ...person,
        ...(answer.body['access'] === undefined ? { access: '', refresh: '' } : tokensOf(answer)),
      }
    },

    async signIn({ username, password }: Person, userAgent = 'node'): Promise<Tokens> {
      return tokensOf(await call('token', { username, password }, { 'user-agent': userAgent }))
    },

    /** The newest letter with this subject, awaited. */
    async letter(subject: string): Promise<ReceivedMail> {
      return until(`a letter about “${subject}”`, () =>
        smtp.mails.findLast((each) => each.subject === subject),
      )
    },

    /** Letters that are asked for from now on wait, until what it returns is called, perhaps with SQL to be run first. */
    async pause(): Promise<(sql?: string) => Promise<void>> {
      await pool.query("ALTER TABLE outbox ALTER next_attempt_at SET DEFAULT now() + interval '1 hour'")
      return async (sql = 'SELECT 1') => {
        await until('no request for a letter waits', async () => {
          service.app.outbox.wake()
          return (await pool.query('SELECT FROM letter_requests')).rowCount === 0
        })
        await pool.query(sql)
        await pool.query('UPDATE outbox SET next_attempt_at = now()')
      }
    },

    async stored(): Promise<string> {
      const { rows } = await pool.query('SELECT o::text AS text FROM outbox o')
      return rows.map(({ text }) => text).join('\n')
    },
  }
}
