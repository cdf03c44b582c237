import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { letterToken, register, signedIn, somebody, verificationToken } from '../helpers/accounts.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, get, post } from '../helpers/client.ts'

const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

/** Sends a form as a browser does that runs no script. */
function submit(url: string, fields: Readonly<Record<string, string>>) {
  return post(url, fields, { encoding: 'urlencoded', headers: { ...BROWSER, origin: 'null' } })
}

function page(title: string | RegExp, status = 200) {
  return { status, body: { text: typeof title === 'string' ? `<h1>${title}</h1>` : title } }
}

t.test('a forgotten password is set anew by pages alone', async (t) => {
  const service = await startApp(t)
  const { url } = service
  const person = await register(service)
  t.match(await get(`${url}/request-reset`), page('Forgotten your password?'))
  t.match(
    await submit(`${url}/request-reset`, { email: 'nowhere' }),
    page(/Enter a valid email address\./, 400),
  )
  const wrong = await submit(`${url}/request-reset`, { email: '"><script>alert(1)</script>' })
  t.match(wrong, page(/value="&#34;&#62;&#60;script&#62;/, 400))
  t.notMatch(wrong.body['text'], '<script')
  const known = await submit(`${url}/request-reset`, { email: person.email })
  t.match(known, page('Look into your mailbox'))
  t.equal(
    (await submit(`${url}/request-reset`, { email: somebody().email })).body['text'],
    known.body['text'],
  )

  const token = await letterToken(service, person.email, '/reset')
  t.match(await get(`${url}/reset?token=${token}`), page(new RegExp(`name="token" value="${token}"`)))
  t.match(
    await get(`${url}/reset?token=${token}`),
    page(new RegExp(`value="${person.username}" autocomplete="username"`)),
  )
  const short = await submit(`${url}/reset`, { token, password: 'qwertz7' })
  t.match(short, page(/role="alert">[^<]*at least 8 characters/, 400))
  t.match(short.body['text'], `name="token" value="${token}"`, 'the form can be sent again')
  t.notMatch(short.body['text'], 'qwertz7', 'and does not repeat the password')

  const fields = { token, password: 'an entirely new pass phrase' }
  t.match(await submit(`${url}/reset`, fields), page('Your password is changed'))
  t.match(await submit(`${url}/reset`, fields), page('This link does not work any more', 400))
  for (const query of [`?token=${token}`, '?token=', '', `?token=${'x'.repeat(2000)}`]) {
    t.match(await get(`${url}/reset${query}`), page('This link does not work any more', 400))
  }
})

t.test('an address is confirmed, changed and brought back by pages alone', async (t) => {
  const service = await startApp(t)
  const { url } = service
  const waiting = somebody()
  await post(`${url}/register`, { ...waiting })
  const verify = await verificationToken(service, waiting.email)
  t.match(await submit(`${url}/verify-email`, { token: verify }), page('Your address is confirmed'))
  t.match(
    await submit(`${url}/verify-email`, { token: verify }),
    page('This link does not work any more', 400),
  )
  t.match(await submit(`${url}/resend-verification`, { email: 'nowhere' }), page(/role="alert"/, 400))
  t.match(
    await submit(`${url}/resend-verification`, { email: waiting.email }),
    page('Look into your mailbox'),
  )

  const person = await signedIn(service)
  const { email } = somebody()
  await post(`${url}/change-email`, { email, password: person.password }, { headers: bearer(person.access) })
  const confirm = await letterToken(service, email, '/confirm-email')
  const undo = await letterToken(service, person.email, '/undo-email')
  t.match(await get(`${url}/confirm-email?token=${confirm}`), page('Confirm your new email address'))
  t.match(await submit(`${url}/confirm-email`, { token: confirm }), page('Your address is changed'))
  t.match(
    await submit(`${url}/confirm-email`, { token: confirm }),
    page('This link does not work any more', 400),
  )
  t.match(await get(`${url}/undo-email?token=${undo}`), page('Keep your old email address?'))
  t.match(await submit(`${url}/undo-email`, { token: undo }), page('Your account is safe again'))
  t.match(await submit(`${url}/undo-email`, { token: undo }), page('There is nothing to undo', 400))
  for (const path of ['/verify-email', '/confirm-email', '/undo-email']) {
    t.equal((await get(url + path)).status, 400, `${path} without a token`)
  }
})

t.test('every page comes under the strict policies, refusals among them', async (t) => {
  const { url } = await startApp(t)
  const headers = { ...BROWSER, 'content-type': 'application/x-www-form-urlencoded' }
  const answers = [
    await fetch(`${url}/request-reset`),
    await fetch(`${url}/reset?token=x`),
    await fetch(`${url}/confirm-email?token=x`),
    await fetch(`${url}/undo-email?token=x`),
    await fetch(`${url}/errors/link_invalid`),
    await fetch(`${url}/reset`, { method: 'POST', headers, body: 'token=x&password=y' }),
    await fetch(`${url}/reset`, { method: 'POST', headers, body: 'token=x&token=y' }),
    await fetch(`${url}/reset`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'text/plain' },
      body: 'x',
    }),
    await fetch(`${url}/reset?token=a&token=b`, { headers: BROWSER }),
  ]
  t.same(
    answers.map(({ status }) => status),
    [200, 400, 200, 200, 200, 400, 400, 415, 400],
  )
  for (const answer of answers) {
    const text = await answer.text()
    t.match(text, /^<!doctype html>/, answer.url)
    const style = /<style>([\s\S]*)<\/style>/.exec(text)?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    t.match(Object.fromEntries(answer.headers), {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; style-src 'sha256-${hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'cross-origin-opener-policy': 'same-origin',
    })
    t.notMatch(text, /https?:\/\//, 'it loads nothing from anywhere')
  }
})

t.test('programs get JSON from the same paths', async (t) => {
  const service = await startApp(t)
  const { email } = await register(service)
  for (const accept of ['*/*', 'application/json', 'application/problem+json']) {
    const options = { headers: { accept } }
    t.match(await post(`${service.url}/request-reset`, { email }, options), { body: { success: true } })
    t.match(await post(`${service.url}/reset`, { token: 'x', password: 'y' }, options), {
      status: 400,
      body: { code: 'link_invalid' },
    })
  }
})

t.test('who presses a button too often is told when to come back, on a page', async (t) => {
  const service = await startApp(t, { RATE_LIMIT: 'on' })
  const press = () => submit(`${service.url}/undo-email`, { token: 'x' })
  for (let round = 0; round < 60; round += 1) await press()
  const stopped = await press()
  t.match(stopped, page(/Go back and try again in (a moment|a minute)/, 429))
  t.match(stopped.headers.get('retry-after'), /^\d+$/)
})

t.test('forms lead to where the browser finds the service, behind a proxy and under a prefix', async (t) => {
  const service = await startApp(t, {
    PUBLIC_URL: 'https://example.com/accounts',
    DIALECTS: 'canonical=/api/auth',
  })
  const person = somebody()
  await post(`${service.url}/api/auth/register`, { ...person })
  const token = await letterToken(service, person.email, '/verify-email')
  const verify = await get(`${service.url}/api/auth/verify-email?token=${token}`)
  t.match(verify, page(/<form method="post" action="\/accounts\/api\/auth\/verify-email">/))
  t.match(
    await get(`${service.url}/api/auth/request-reset`),
    page(/action="\/accounts\/api\/auth\/request-reset"/),
  )
  await post(`${service.url}/api/auth/request-reset`, { email: person.email })
  const reset = await letterToken(service, person.email, '/reset')
  t.match(
    await get(`${service.url}/api/auth/reset?token=${reset}`),
    page(/action="\/accounts\/api\/auth\/reset"/),
  )
})

t.test('PAGE_CSS_FILE adds to the style of every page, and the policy knows it', async (t) => {
  const path = join(t.testdir(), 'own.css')
  writeFileSync(path, 'main { border-top: 4px solid rebeccapurple; }\r\n')
  const { url } = await startApp(t, { PAGE_CSS_FILE: path })
  for (const where of ['/request-reset', '/errors/link_invalid']) {
    const answer = await fetch(url + where)
    const style = /<style>([\s\S]*)<\/style>/.exec(await answer.text())?.[1] ?? ''
    t.match(style, /rebeccapurple; }\n$/)
    t.match(
      answer.headers.get('content-security-policy'),
      `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; img-src data:; font-src data:`,
    )
  }
})

t.test('password managers are led to the page for a new password', async (t) => {
  const { url } = await startApp(t, { PUBLIC_URL: 'https://auth.example.com', DIALECTS: 'canonical=/api' })
  for (const method of ['GET', 'HEAD']) {
    const answer = await fetch(`${url}/.well-known/change-password`, { method, redirect: 'manual' })
    t.equal(answer.status, 302)
    t.equal(answer.headers.get('location'), 'https://auth.example.com/api/request-reset')
  }
  // W3C: only if a path that cannot exist is no success is the other one to be trusted.
  const impossible = `${url}/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200`
  t.equal((await fetch(impossible)).status, 404)
})
