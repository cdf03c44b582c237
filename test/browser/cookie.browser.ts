import { createServer } from 'node:http'
import type { Page } from 'playwright-core'
import t from 'tap'
import type { Person } from '../helpers/accounts.ts'
import { somebody } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { post } from '../helpers/client.ts'
import { freePort } from '../helpers/free-port.ts'
import type { Teardown } from '../helpers/postgres.ts'
import { openBrowser, openWindow, startReachable } from './chromium.ts'

const NAME = '__Host-keyturn_refresh'

/** A page of somebody's, empty but for a form that posts wherever it is told. */
const PAGE = '<!doctype html><title>page</title><form method="post"></form>'

/** Web pages on a port of their own; `host` decides which site they belong to. */
async function startPages(t: Teardown, host: string, port: number): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE)
  })
  await new Promise<void>((resolve) => server.listen(port, host, resolve))
  t.teardown(() => server.close())
  return `http://${host}:${port}`
}

/** As a single-page app asks the service: script, across origins, with credentials. */
function ask(page: Page, url: string, fields: Readonly<Record<string, string>> = {}, access = '') {
  return page.evaluate(
    async ({ url, fields, access }) => {
      try {
        const answer = await fetch(url, {
          method: 'POST',
          credentials: 'include',
          headers: {
            'content-type': 'application/json',
            ...(access === '' ? {} : { authorization: `Bearer ${access}` }),
          },
          body: JSON.stringify(fields),
        })
        return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
      } catch {
        // What the browser keeps from a page that may not read it.
        return { status: 0, body: {} }
      }
    },
    { url, fields, access },
  )
}

async function sessionsOf(service: TestApp): Promise<unknown[]> {
  const { rows } = await service.app.database.pool.query(
    'SELECT generation, revoked_at IS NOT NULL AS ended FROM sessions ORDER BY id',
  )
  return rows
}

t.test('REFRESH_COOKIE, from a page on another port', async (t) => {
  const browser = await openBrowser(t)
  const app = await startPages(t, 'localhost', await freePort('localhost'))
  const service = await startReachable(t, {
    REFRESH_COOKIE: 'on',
    CORS_ORIGINS: app,
    EMAIL_VERIFICATION: 'optional',
  })
  const { url } = service

  async function signedInWindow() {
    const person: Person = somebody()
    await post(`${url}/register`, { ...person })
    const { context, page } = await openWindow(browser, app)
    await page.goto(app)
    const { username, password } = person
    const signedIn = await ask(page, `${url}/token`, { username, password })
    return { person, context, page, signedIn, access: String(signedIn.body['access']) }
  }

  await t.test('the browser keeps the token where no script finds it, and sends it along', async (t) => {
    const { page, context, signedIn } = await signedInWindow()
    t.equal(signedIn.status, 200)
    t.notMatch(JSON.stringify(signedIn.body), /ktr_/)
    t.match(await context.cookies(), [
      {
        name: NAME,
        value: /^ktr_/,
        path: '/',
        httpOnly: true,
        secure: true,
        sameSite: 'Strict',
        domain: 'localhost',
      },
    ])
    t.equal(await page.evaluate(() => document.cookie), '')

    const [first] = await context.cookies()
    const refreshed = await ask(page, `${url}/refresh`)
    t.equal(refreshed.status, 200)
    t.match(refreshed.body['access'], /^eyJ/)
    const [second] = await context.cookies()
    t.not(second?.value, first?.value, 'each refresh gives another one')

    await page.reload()
    t.equal((await ask(page, `${url}/refresh`)).status, 200, 'it outlives the page')
    const tab = await context.newPage()
    await tab.goto(app)
    const both = await Promise.all([ask(page, `${url}/refresh`), ask(tab, `${url}/refresh`)])
    t.same(
      both.map(({ status }) => status),
      [200, 200],
      'two tabs may refresh at once',
    )
  })

  await t.test('signing in anew replaces the token and ends the session it was for', async (t) => {
    const { page, context, person } = await signedInWindow()
    const before = (await sessionsOf(service)).length
    const { username, password } = person
    t.equal((await ask(page, `${url}/token`, { username, password })).status, 200)
    const sessions = await sessionsOf(service)
    t.equal(sessions.length, before + 1)
    t.same(sessions.slice(-2), [
      { generation: 0, ended: true },
      { generation: 0, ended: false },
    ])
    t.equal((await context.cookies()).length, 1)
  })

  await t.test('signing out takes the token out of the browser', async (t) => {
    const { page, context } = await signedInWindow()
    t.equal((await ask(page, `${url}/logout`)).status, 200)
    t.same(await context.cookies(), [])
    t.equal((await ask(page, `${url}/refresh`)).status, 401)
  })

  await t.test('pages that are not allowed change nothing, by script or by form', async (t) => {
    const neighbour = await startPages(t, 'localhost', await freePort('localhost'))
    const stranger = await startPages(t, '127.0.0.1', await freePort())
    const { context, person } = await signedInWindow()
    const before = await sessionsOf(service)
    const cookies = await context.cookies()
    for (const origin of [neighbour, stranger]) {
      const page = await context.newPage()
      const statuses: number[] = []
      page.on('response', (response) => {
        if (response.url().startsWith(url)) statuses.push(response.status())
      })
      for (const path of ['/refresh', '/logout', '/token']) {
        await page.goto(origin)
        const { username, password } = person
        t.equal(
          (await ask(page, url + path, { username, password })).status,
          0,
          `${origin} reads nothing of ${path}`,
        )
        for (const enctype of ['application/x-www-form-urlencoded', 'multipart/form-data']) {
          await page.goto(origin)
          await page.evaluate(
            ({ action, enctype, fields }) => {
              const form = document.querySelector('form')
              if (form === null) throw new Error('the form is missing')
              form.action = action
              form.enctype = enctype
              for (const [name, value] of Object.entries(fields)) {
                const input = document.createElement('input')
                Object.assign(input, { name, value })
                form.append(input)
              }
              form.submit()
            },
            { action: url + path, enctype, fields: path === '/token' ? { username, password } : {} },
          )
          await page.waitForURL(url + path)
          t.match(await page.textContent('body'), /origin_refused/, `${path} by a form as ${enctype}`)
        }
      }
      t.ok(statuses.length > 0 && statuses.every((status) => status === 204 || status === 403))
      await page.close()
    }
    t.same(await sessionsOf(service), before)
    t.same(await context.cookies(), cookies)
    const page = await context.newPage()
    await page.goto(app)
    t.equal((await ask(page, `${url}/refresh`)).status, 200, 'the owner goes on')
  })

  await t.test('our own pages work beside the cookie', async (t) => {
    const { context, person } = await signedInWindow()
    const page = await context.newPage()
    await page.goto(`${url}/request-reset`)
    await page.getByLabel('Your email address').fill(person.email)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Look into your mailbox' }).waitFor()
    t.equal((await context.cookies()).length, 1)
  })
})
