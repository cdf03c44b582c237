import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import t from 'tap'
import type { Person } from '../helpers/accounts.ts'
import { signIn, somebody } from '../helpers/accounts.ts'
import { bearer, get, post } from '../helpers/client.ts'
import type { ReceivedMail, SmtpTestServer } from '../helpers/smtp.ts'
import { createSmtpServer } from '../helpers/smtp.ts'
import { until } from '../helpers/until.ts'
import { openBrowser, openWindow, startReachable } from './chromium.ts'

/** Where pictures go, for a person to look at; nowhere unless it is set. */
const PICTURES = process.env['SCREENSHOTS']

const LOOKS = [
  { name: 'narrow-light', width: 320, colorScheme: 'light' },
  { name: 'narrow-dark', width: 320, colorScheme: 'dark' },
  { name: 'wide-light', width: 1280, colorScheme: 'light' },
  { name: 'wide-dark', width: 1280, colorScheme: 'dark' },
] as const

/** The link of the newest mail to the address that leads to `path`, as its reader would click it. */
async function linkIn(smtp: SmtpTestServer, to: string, path: string): Promise<string> {
  const links = (mail: ReceivedMail) =>
    [...(mail.html ?? '').matchAll(/href="([^"]+)"/g)].map(([, link = '']) =>
      link.replaceAll('&amp;', '&').replaceAll('&#38;', '&'),
    )
  return until(`a link to ${path}`, () => {
    const mail = smtp.mails.findLast(
      ({ recipients, ...each }) =>
        recipients.includes(to) &&
        links(each as ReceivedMail).some((link) => new URL(link).pathname === path),
    )
    return mail && links(mail).find((each) => new URL(each).pathname === path)
  })
}

/** Looks at the page at every width and in both schemes: nothing may stick out, and all of it must be readable. */
async function look(t: Tap, page: Page, name: string): Promise<void> {
  for (const { name: view, width, colorScheme } of LOOKS) {
    await page.setViewportSize({ width, height: 800 })
    await page.emulateMedia({ colorScheme })
    const { overflow, faint } = await page.evaluate(measure)
    t.ok(overflow <= 0, `${name} fits a width of ${width}`)
    t.same(faint, [], `${name} is readable in ${view}`)
    if (PICTURES === undefined) continue
    mkdirSync(PICTURES, { recursive: true })
    await page.screenshot({ path: join(PICTURES, `${name}-${view}.png`), fullPage: true })
  }
}

/** In the page: by how much it is wider than the window, and the texts whose contrast is below 4.5 (WCAG 2.2, 1.4.3). */
function measure() {
  const luminance = (color: string) => {
    const [r = 0, g = 0, b = 0] = (color.match(/[\d.]+/g) ?? []).map((part) => {
      const value = Number(part) / 255
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const groundOf = (element: Element | null): string => {
    if (element === null) return 'rgb(255, 255, 255)'
    const { backgroundColor } = getComputedStyle(element)
    return /, 0\)$/.test(backgroundColor) ? groundOf(element.parentElement) : backgroundColor
  }
  const faint: string[] = []
  for (const element of document.querySelectorAll('h1, h2, p, li, label, button, a, input, dt, dd, code')) {
    const [one = 0, other = 0] = [luminance(getComputedStyle(element).color), luminance(groundOf(element))]
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
    if (contrast < 4.5) faint.push(`${element.tagName} ${contrast.toFixed(2)}`)
  }
  return { overflow: document.documentElement.scrollWidth - window.innerWidth, faint }
}

type Tap = Pick<typeof t, 'ok' | 'same'>

async function title(page: Page): Promise<string> {
  return (await page.getByRole('heading', { level: 1 }).textContent()) ?? ''
}

t.test('whole stories in a real browser, against a real mail server', async (t) => {
  const browser: Browser = await openBrowser(t)
  const smtp = await createSmtpServer(t)
  const service = await startReachable(t, { SMTP_URL: smtp.url })
  const { url } = service
  let looked = false

  async function registered(): Promise<Person> {
    const person = somebody()
    await post(`${url}/register`, { ...person })
    const token = new URL(await linkIn(smtp, person.email, '/verify-email')).searchParams.get('token') ?? ''
    await post(`${url}/verify-email`, { token })
    return person
  }

  for (const javaScriptEnabled of [false, true]) {
    const suffix = `JavaScript ${javaScriptEnabled ? 'on' : 'off'}`

    await t.test(`a forgotten password, by keyboard, ${suffix}`, async (t) => {
      const person = await registered()
      const { page, complaints, context } = await openWindow(browser, url, { javaScriptEnabled })
      await page.goto(`${url}/request-reset`)
      t.equal(await title(page), 'Forgotten your password?')
      if (!looked) await look(t, page, 'request-reset')
      await page.keyboard.press('Tab')
      await page.keyboard.type(person.email)
      await page.keyboard.press('Enter')
      await page.waitForURL(`${url}/request-reset`)
      t.equal(await title(page), 'Look into your mailbox')
      if (!looked) await look(t, page, 'reset-asked-for')

      const link = await linkIn(smtp, person.email, '/reset')
      await page.goto(link)
      await page.reload()
      t.equal(await title(page), 'Choose a new password')
      t.equal(await page.getByLabel('Account').inputValue(), person.username)
      if (!looked) await look(t, page, 'reset')
      await page.getByLabel('New password').fill('short')
      await page.keyboard.press('Enter')
      await page.getByRole('alert').waitFor()
      t.match(await page.getByRole('alert').textContent(), /at least 8 characters/)
      if (!looked) await look(t, page, 'reset-again')

      const focused = await page.evaluate(() => document.activeElement?.id)
      t.equal(focused, 'password', 'whoever has to correct it is there already')
      const field = page.getByLabel('New password')
      t.equal(await field.getAttribute('aria-invalid'), 'true')
      t.equal(await field.inputValue(), '', 'what was wrong is not shown again')
      await page.keyboard.type('an entirely new pass phrase')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Space')
      await page.getByRole('heading', { name: 'Your password is changed' }).waitFor()
      if (!looked) await look(t, page, 'reset-done')

      await page.goto(link)
      t.equal(await title(page), 'This link does not work any more')
      if (!looked) await look(t, page, 'reset-link-invalid')
      t.ok(await signIn({ ...service, url }, { ...person, password: 'an entirely new pass phrase' }))
      t.same(complaints, [], 'the browser has nothing to complain about')
      t.same(await context.cookies(), [])
    })

    await t.test(`an address is confirmed, ${suffix}`, async (t) => {
      const person = somebody()
      await post(`${url}/register`, { ...person })
      const { page, complaints } = await openWindow(browser, url, { javaScriptEnabled })
      const link = await linkIn(smtp, person.email, '/verify-email')
      await page.goto(link)
      await page.reload()
      t.equal(await title(page), 'Confirm your email address')
      if (!looked) await look(t, page, 'verify')
      const { username, password } = person
      t.equal((await post(`${url}/token`, { username, password })).status, 403, 'looking confirms nothing')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Your address is confirmed' }).waitFor()
      if (!looked) await look(t, page, 'verified')
      t.ok(await signIn(service, person))

      await page.goto(link)
      await page.getByRole('button', { name: 'Confirm my address' }).click()
      await page.getByRole('heading', { name: 'This link does not work any more' }).waitFor()
      if (!looked) await look(t, page, 'verify-link-invalid')
      await page.getByLabel('Your email address').fill(person.email)
      await page.getByRole('button', { name: 'Send a new letter' }).click()
      await page.getByRole('heading', { name: 'Look into your mailbox' }).waitFor()
      t.same(complaints, [])
    })

    await t.test(`an address is changed and brought back, ${suffix}`, async (t) => {
      const person = await registered()
      const { access } = await signIn(service, person)
      const { email } = somebody()
      await post(`${url}/change-email`, { email, password: person.password }, { headers: bearer(access) })
      const { page, complaints } = await openWindow(browser, url, { javaScriptEnabled })
      const link = await linkIn(smtp, email, '/confirm-email')
      await page.goto(link)
      t.equal(await title(page), 'Confirm your new email address')
      if (!looked) await look(t, page, 'confirm-email')
      await page.getByRole('button', { name: 'Use this address' }).click()
      await page.getByRole('heading', { name: 'Your address is changed' }).waitFor()
      if (!looked) await look(t, page, 'email-confirmed')
      t.match((await get(`${url}/user`, access)).body, { email })
      await page.goto(link)
      await page.getByRole('button', { name: 'Use this address' }).click()
      await page.getByRole('heading', { name: 'This link does not work any more' }).waitFor()
      if (!looked) await look(t, page, 'confirm-email-invalid')

      await page.goto(await linkIn(smtp, person.email, '/undo-email'))
      t.equal(await title(page), 'Keep your old email address?')
      if (!looked) await look(t, page, 'undo-email')
      await page.getByRole('button', { name: 'That was not me' }).click()
      await page.getByRole('heading', { name: 'Your account is safe again' }).waitFor()
      if (!looked) await look(t, page, 'email-undone')
      t.equal((await get(`${url}/user`, access)).status, 401)
      await page.goBack()
      await page.reload()
      await page.getByRole('button', { name: 'That was not me' }).click()
      await page.getByRole('heading', { name: 'There is nothing to undo' }).waitFor()
      if (!looked) await look(t, page, 'undo-email-invalid')
      await page.getByRole('link', { name: 'Choose a new password' }).click()
      t.equal(await title(page), 'Forgotten your password?')
      t.same(complaints, [])
    })
    looked = true
  }

  await t.test('what else a browser may be shown', async (t) => {
    const { page, complaints } = await openWindow(browser, url)
    await page.goto(`${url}/errors/refresh_replayed`)
    await look(t, page, 'error')
    await page.goto(`${url}/request-reset`)
    await page.locator('input[name=email]').evaluate((input) => {
      input.setAttribute('type', 'text')
    })
    await page.getByLabel('Your email address').fill('nowhere')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').waitFor()
    await look(t, page, 'request-reset-again')
    await page.goto(`${url}/.well-known/change-password`)
    t.equal(page.url(), `${url}/request-reset`)
    t.same(complaints, [])
  })
})
