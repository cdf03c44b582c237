import t from 'tap'
import { createServerKeys } from '../../src/core/server-keys.ts'
import { makeVerifyToken } from '../../src/core/verify-email.ts'
import { somebody } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { post } from '../helpers/client.ts'

/** The account of an address that nobody has confirmed, and links to it as old as the test likes. */
async function unconfirmed(service: TestApp, email = somebody().email) {
  const { username } = somebody()
  await post(`${service.url}/register`, { ...somebody(), username, email })
  const { rows } = await service.app.database.pool.query<{ id: string; email_key: string; now: Date }>(
    'SELECT id, email_key, now() AS now FROM users WHERE username = $1',
    [username],
  )
  const [{ id = '', email_key: addressKey = '', now = new Date() } = {}] = rows
  const keys = createServerKeys(service.config.serverSecrets)
  return (secondsAgo: number) =>
    makeVerifyToken(keys, Number(id), addressKey, now.getTime() - secondsAgo * 1000)
}

const confirm = (service: TestApp, token: string) => post(`${service.url}/verify-email`, { token })

t.test('of twenty uses of one link at once exactly one succeeds', async (t) => {
  const service = await startApp(t)
  const link = (await unconfirmed(service))(0)
  const answers = await Promise.all(Array.from({ length: 20 }, () => confirm(service, link)))
  t.equal(answers.filter(({ status }) => status === 200).length, 1)
  t.equal(answers.filter(({ body }) => body['code'] === 'link_invalid').length, 19)
})

t.test('of two accounts that confirm one address at once exactly one owns it', async (t) => {
  const service = await startApp(t)
  const { email } = somebody()
  const links = [await unconfirmed(service, email), await unconfirmed(service, email.toUpperCase())]
  const answers = await Promise.all(links.map((linkFrom) => confirm(service, linkFrom(0))))
  t.same(answers.map(({ status }) => status).toSorted(), [200, 400])
})

t.test('a link is good for three days and not a second longer', async (t) => {
  const service = await startApp(t)
  const linkFrom = await unconfirmed(service)
  const threeDays = 3 * 24 * 3600
  t.match(await confirm(service, linkFrom(threeDays)), { status: 400, body: { code: 'link_invalid' } })
  const page = await fetch(`${service.url}/verify-email`, {
    method: 'POST',
    headers: { accept: 'text/html' },
    body: new URLSearchParams({ token: linkFrom(threeDays) }),
  })
  t.equal(page.status, 400)
  t.match(await page.text(), /does not work any more/)
  t.equal((await confirm(service, linkFrom(threeDays - 60))).status, 200)
})
