import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { chromium } from 'playwright-core'
import type { Settings, TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { freePort } from '../helpers/free-port.ts'
import type { Teardown } from '../helpers/postgres.ts'

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The Chromium of this machine, with a profile of its own; CHROMIUM names another one. */
export async function openBrowser(t: Teardown): Promise<Browser> {
  const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS })
  t.teardown(() => browser.close())
  return browser
}

/** Something that a page should not have done: a complaint of the browser, or a request to elsewhere. */
export type Complaints = readonly string[]

/** A window of its own, and what the browser complains about in it. */
export async function openWindow(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<{ context: BrowserContext; page: Page; complaints: Complaints }> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    // A refusal is an answer like any other, though Chromium logs it as an error.
    const isRefusal = /the server responded with a status of 4/.test(message.text())
    if (message.type() === 'error' && !isRefusal) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) complaints.push(`asks ${request.url()}`)
  })
  return { context, page, complaints }
}

/** A service whose links lead to where it really listens: `localhost`, which browsers trust without TLS. */
export async function startReachable(t: Teardown, settings: Settings = {}): Promise<TestApp> {
  const port = await freePort('localhost')
  const url = `http://localhost:${port}`
  return { ...(await startApp(t, { PUBLIC_URL: url, ...settings }, { host: 'localhost', port })), url }
}
