import { createHash } from 'node:crypto'
import t from 'tap'
import { accountDeletedPage } from '../../src/pages/account.ts'
import {
  confirmEmailInvalidPage,
  confirmEmailPage,
  emailConfirmedPage,
  emailUndonePage,
  undoEmailInvalidPage,
  undoEmailPage,
} from '../../src/pages/email.ts'
import { errorPage, refusalPage } from '../../src/pages/error.ts'
import { html } from '../../src/pages/html.ts'
import type { Page } from '../../src/pages/layout.ts'
import { createLook, layout, pageHeaders } from '../../src/pages/layout.ts'
import { mailboxPage } from '../../src/pages/mailbox.ts'
import {
  requestResetPage,
  resetAskedForPage,
  resetDonePage,
  resetLinkInvalidPage,
  resetPage,
} from '../../src/pages/reset.ts'
import {
  letterAskedForPage,
  linkInvalidPage,
  resendPage,
  verifiedPage,
  verifyPage,
} from '../../src/pages/verify.ts'

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

const look = createLook()
const source = (page: Page) => layout(page, look)

/** Every page, with this text wherever somebody else chooses what stands there. */
const pages = {
  verify: (text = 'token') => verifyPage({ action: '/verify-email', token: text }),
  verified: () => verifiedPage(),
  linkInvalid: () => linkInvalidPage(),
  linkInvalidWithForm: () => linkInvalidPage({ action: '/resend-verification' }),
  resend: (text = 'nowhere') =>
    resendPage({ action: '/resend-verification' }, { value: text, faults: [text] }),
  letterAskedFor: () => letterAskedForPage(),
  requestReset: () => requestResetPage({ action: '/request-reset' }),
  requestResetAgain: (text = 'nowhere') =>
    requestResetPage({ action: '/request-reset' }, { value: text, faults: [text] }),
  resetAskedFor: () => resetAskedForPage(),
  reset: (text = 'token') =>
    resetPage({ action: '/reset', token: text, username: text, passwordMinLength: 8 }),
  resetAgain: (text = 'token') =>
    resetPage({ action: '/reset', token: text, username: text, passwordMinLength: 8 }, [text, 'Too short.']),
  resetDone: () => resetDonePage(),
  resetLinkInvalid: () => resetLinkInvalidPage({ action: '/request-reset' }),
  confirmEmail: (text = 'token') => confirmEmailPage({ action: '/confirm-email', token: text }),
  emailConfirmed: () => emailConfirmedPage(),
  confirmEmailInvalid: () => confirmEmailInvalidPage(),
  undoEmail: (text = 'token') => undoEmailPage({ action: '/undo-email', token: text }),
  emailUndone: () => emailUndonePage(),
  undoEmailInvalid: () => undoEmailInvalidPage({ path: '/request-reset' }),
  accountDeleted: () => accountDeletedPage(),
  error: (text = 'words') => errorPage({ code: text, status: 401, title: text, detail: text }),
  refusal: (text = 'words') =>
    refusalPage({ title: text, detail: text, requestId: text, retryAfterSeconds: undefined }),
  mailbox: (text = 'words') => {
    const evil = { ...message, to: text, subject: text, text, html: text, links: [text, `https://x/${text}`] }
    return mailboxPage([evil], text)
  },
}

t.test(
  'every page says its language and its title, fits a phone and both colour schemes, and brings no script',
  async (t) => {
    for (const [name, page] of Object.entries(pages)) {
      const text = source(page())
      t.match(text, /^<!doctype html>\n<html lang="en">/, name)
      t.match(text, /<title>([^<]+)<\/title>[\s\S]*<main[^>]*>\n<h1>\1<\/h1>/, name)
      t.match(text, '<meta name="viewport" content="width=device-width, initial-scale=1">', name)
      t.match(text, '<meta name="color-scheme" content="light dark">', name)
      t.notMatch(text, /<script|<link|<img|\son\w+=|javascript:|undefined|\[object/, name)
      t.equal(text.match(/<h1>/g)?.length, 1, name)
    }
  },
)

t.test('whatever is put into a page stays text', async (t) => {
  let filled = 0
  for (const [name, page] of Object.entries(pages) as [string, (text?: string) => Page][]) {
    const text = source(page(EVIL))
    t.notMatch(text, /<script|<img|onerror='/, name)
    t.equal(tagsOf(text), tagsOf(source(page())), name)
    if (unescaped(text).includes(EVIL)) filled += 1
  }
  t.equal(filled, 10, 'so many pages show what others have chosen')
  t.equal(
    html`<b title="${'"'}">${[html`<i>`, '<', 1, undefined]}</b>`.source,
    '<b title="&#34;"><i>&#60;1</b>',
  )
})

t.test('the policy lets in the style of the pages and nothing else', async (t) => {
  const headers = pageHeaders(verifiedPage(), look)
  t.equal(
    headers['content-security-policy'],
    `default-src 'none'; style-src '${hashOfStyle(source(verifiedPage()))}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  )
  t.match(headers, {
    'content-type': 'text/html; charset=utf-8',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  })
  const { mailbox, ...strict } = pages
  for (const page of Object.values(strict)) {
    t.notMatch(source(page()), /\sstyle=/)
    t.strictSame(pageHeaders(page(), look), headers)
  }
  t.match(
    pageHeaders(mailbox(), look)['content-security-policy'],
    /^default-src 'none'; style-src 'unsafe-inline'; form-action 'self';/,
  )
})

t.test(
  'own CSS comes after ours, under the same strict policy, with pictures and fonts of its own',
  async (t) => {
    const own = createLook('main {\r\n  border: 1px solid;\r}')
    const text = layout(verifiedPage(), own)
    t.match(text, 'main {\n  border: 1px solid;\n}</style>', 'line breaks are as a browser reads them')
    const policy = pageHeaders(verifiedPage(), own)['content-security-policy']
    t.match(policy, `style-src '${hashOfStyle(text)}'; img-src data:; font-src data:; form-action 'self'`)
    t.notMatch(policy, /https?:|\*/)
  },
)

t.test(
  'a page of a letter has one button, which posts the token to the path it was given, without script',
  async (t) => {
    const form = { action: '/auth/here', token: 'abc' }
    for (const page of [verifyPage(form), confirmEmailPage(form), undoEmailPage(form)]) {
      const text = source(page)
      t.match(
        text,
        /<form method="post" action="\/auth\/here">\s*<input type="hidden" name="token" value="abc">\s*<button type="submit">/,
      )
      t.equal(text.match(/<(button|input|select|textarea|a)\b/g)?.length, 2)
    }
  },
)

t.test('every field that a person fills in has a label, and says what it is for', async (t) => {
  for (const [name, page] of Object.entries(pages)) {
    const text = source(page())
    for (const [input] of text.matchAll(/<input(?! type="hidden")[^>]*>/g)) {
      const id = /\bid="(\w+)"/.exec(input)?.[1]
      t.match(text, `<label for="${id}">`, name)
      t.match(input, /autocomplete="/, name)
    }
  }
})

t.test('the form for a new password is one that password managers understand', async (t) => {
  const text = source(resetPage({ action: '/reset', token: 'abc', username: 'ada', passwordMinLength: 12 }))
  t.match(text, '<input id="account" value="ada" autocomplete="username" readonly>')
  t.match(text, /<input id="password" name="password" type="password" autocomplete="new-password" required /)
  t.match(text, 'At least 12 characters.')
})

t.test('what was wrong stands beside its field, and is read out with it', async (t) => {
  for (const [page, id, hint] of [
    [pages.resetAgain(), 'password', 'password-hint '],
    [pages.requestResetAgain(), 'email', ''],
    [pages.resend(), 'email', ''],
  ] as const) {
    const text = source(page)
    t.match(text, `<p class="fault" id="${id}-fault" role="alert">`)
    t.match(
      text,
      new RegExp(
        `<input id="${id}"[^>]* aria-describedby="${hint}${id}-fault" aria-invalid="true" autofocus>`,
      ),
    )
  }
})

t.test('a refusal says when to come back, in words', async (t) => {
  const after = (retryAfterSeconds: number | undefined) =>
    source(refusalPage({ title: 'No', detail: 'Do this.', requestId: 'r1', retryAfterSeconds }))
  t.match(after(undefined), '<p>Do this.</p>')
  t.match(after(1), 'try again in a moment.')
  t.match(after(60), 'try again in a minute.')
  t.match(after(125), 'try again in 3 minutes.')
  t.match(after(1), '<code>r1</code>')
})

t.test(
  'the mailbox shows letters in the order given, their links to click, and their HTML where it can do nothing',
  async (t) => {
    const text = source(mailboxPage([message, { ...message, subject: 'Second' }]))
    t.ok(text.indexOf('>Confirm<') < text.indexOf('>Second<'))
    t.match(text, '<a href="https://auth.example.com/verify?a=1&#38;b=2">')
    t.match(text, '<time datetime="2026-01-02T03:04:05.000Z">2026-01-02 03:04:05 UTC</time>')
    const [sandbox] = /sandbox="[^"]*"/.exec(text) ?? []
    t.equal(sandbox, 'sandbox="allow-popups allow-popups-to-escape-sandbox"')
    t.match(text, 'srcdoc="&#60;p&#62;Hello ada&#60;/p&#62;"')
    t.notMatch(source(mailboxPage([{ ...message, links: ['javascript:alert(1)'] }])), 'href')
    t.match(source(mailboxPage([])), 'No letter yet')
  },
)

function hashOfStyle(text: string): string {
  const style = /<style>([\s\S]*)<\/style>/.exec(text)?.[1] ?? ''
  return `sha256-${createHash('sha256').update(style).digest('base64')}`
}

function tagsOf(source: string): number {
  return source.match(/<[^>]*>/g)?.length ?? 0
}

function unescaped(source: string): string {
  return source.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
}
