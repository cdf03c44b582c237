import { createHash } from 'node:crypto'
import t from 'tap'
import { errorPage } from '../../src/pages/error.ts'
import { html } from '../../src/pages/html.ts'
import { PAGE_HEADERS } from '../../src/pages/layout.ts'
import { MAILBOX_HEADERS, mailboxPage } from '../../src/pages/mailbox.ts'
import { letterAskedForPage, linkInvalidPage, verifiedPage, verifyPage } from '../../src/pages/verify.ts'

const EVIL = `"><script>alert(1)</script><img src=x onerror='alert(1)'>&amp;`
const message = {
  id: '01890000-0000-7000-8000-000000000000',
  to: 'ada@example.com',
  subject: 'Confirm',
  text: 'Hello ada',
  html: '<p>Hello ada</p>',
  links: ['https://auth.example.com/verify?a=1&b=2'],
  sentAt: Date.UTC(2026, 0, 2, 3, 4, 5),
}

const pages = {
  verify: (text = 'token') => verifyPage({ action: '/verify-email', token: text }),
  verified: () => verifiedPage(),
  linkInvalid: () => linkInvalidPage(),
  linkInvalidWithForm: () => linkInvalidPage({ action: '/resend-verification' }),
  letterAskedFor: () => letterAskedForPage(),
  error: (text = 'words') => errorPage({ code: text, status: 401, title: text, detail: text }),
  mailbox: (text = 'words') => {
    const evil = { ...message, to: text, subject: text, text, html: text, links: [text, `https://x/${text}`] }
    return mailboxPage([evil], text)
  },
}

t.test(
  'every page says its language and its title, fits a phone and both colour schemes, and brings no script',
  async (t) => {
    for (const [name, page] of Object.entries(pages)) {
      const source = page()
      t.match(source, /^<!doctype html>\n<html lang="en">/, name)
      t.match(source, /<title>([^<]+)<\/title>[\s\S]*<main[^>]*>\n<h1>\1<\/h1>/, name)
      t.match(source, '<meta name="viewport" content="width=device-width, initial-scale=1">', name)
      t.match(source, '<meta name="color-scheme" content="light dark">', name)
      t.notMatch(source, /<script|<link|<img|\son\w+=|javascript:|undefined|\[object/, name)
      t.equal(source.match(/<h1>/g)?.length, 1, name)
    }
  },
)

t.test('whatever is put into a page stays text', async (t) => {
  for (const page of [pages.verify, pages.error, pages.mailbox]) {
    const source = page(EVIL)
    t.notMatch(source, /<script|<img|onerror='/)
    t.equal(tagsOf(source), tagsOf(page('harmless')))
    t.ok(unescaped(source).includes(EVIL))
  }
  t.equal(
    html`<b title="${'"'}">${[html`<i>`, '<', 1, undefined]}</b>`.source,
    '<b title="&#34;"><i>&#60;1</b>',
  )
})

t.test('the policy lets in the style of the pages and nothing else', async (t) => {
  const style = /<style>([\s\S]*)<\/style>/.exec(verifiedPage())?.[1] ?? ''
  const hash = createHash('sha256').update(style).digest('base64')
  t.equal(
    PAGE_HEADERS['content-security-policy'],
    `default-src 'none'; style-src 'sha256-${hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  )
  t.match(PAGE_HEADERS, {
    'content-type': 'text/html; charset=utf-8',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  })
  const { mailbox: _, ...strict } = pages
  for (const page of Object.values(strict)) t.notMatch(page(), /\sstyle=/)
  t.match(
    MAILBOX_HEADERS['content-security-policy'],
    /^default-src 'none'; style-src 'unsafe-inline'; form-action 'self';/,
  )
})

t.test(
  'the verification page has one button, which posts the token to the path it was given, without script',
  async (t) => {
    const source = verifyPage({ action: '/auth/verify-email', token: 'abc' })
    t.match(
      source,
      /<form method="post" action="\/auth\/verify-email">\s*<input type="hidden" name="token" value="abc">\s*<button type="submit">/,
    )
    t.equal(source.match(/<(button|input|select|textarea|a)\b/g)?.length, 2)
  },
)

t.test('every field that a person fills in has a label', async (t) => {
  for (const page of Object.values(pages)) {
    const source = page()
    for (const [input] of source.matchAll(/<input(?! type="hidden")[^>]*>/g)) {
      const id = /\bid="(\w+)"/.exec(input)?.[1]
      t.match(source, `<label for="${id}">`)
    }
  }
})

t.test(
  'the mailbox shows letters in the order given, their links to click, and their HTML where it can do nothing',
  async (t) => {
    const source = mailboxPage([message, { ...message, subject: 'Second' }])
    t.ok(source.indexOf('>Confirm<') < source.indexOf('>Second<'))
    t.match(source, '<a href="https://auth.example.com/verify?a=1&#38;b=2">')
    t.match(source, '<time datetime="2026-01-02T03:04:05.000Z">2026-01-02 03:04:05 UTC</time>')
    const [sandbox] = /sandbox="[^"]*"/.exec(source) ?? []
    t.equal(sandbox, 'sandbox="allow-popups allow-popups-to-escape-sandbox"')
    t.match(source, 'srcdoc="&#60;p&#62;Hello ada&#60;/p&#62;"')
    t.notMatch(mailboxPage([{ ...message, links: ['javascript:alert(1)'] }]), 'href')
    t.match(mailboxPage([]), 'No letter yet')
  },
)

function tagsOf(source: string): number {
  return source.match(/<[^>]*>/g)?.length ?? 0
}

function unescaped(source: string): string {
  return source.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
}
