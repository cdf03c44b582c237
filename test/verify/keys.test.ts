import { createHmac } from 'node:crypto'
import t from 'tap'
import type { VerifierOptions } from '../../src/verify/index.ts'
import { createVerifier } from '../../src/verify/index.ts'
import { until } from '../helpers/until.ts'
import { COMMON, claims, encode, hmacSigner, KID, keySigner, serve, serveJwks } from './signing.ts'

const named = (signer: ReturnType<typeof keySigner>, kid: string) =>
  signer.token({ alg: signer.alg, typ: 'at+jwt', kid })

/** A verifier whose clock can be put forward. */
function clocked(options: VerifierOptions) {
  const clock = { aheadMs: 0 }
  const problems: string[] = []
  const verifier = createVerifier({
    now: () => Date.now() + clock.aheadMs,
    onProblem: (about, error) => problems.push(`${about}: ${error}`),
    ...options,
  })
  const codeOf = async (token: string) => (await verifier.verify(token)).error?.code
  return {
    verifier,
    clock,
    problems,
    codeOf,
    pass(seconds: number): void {
      clock.aheadMs += seconds * 1000
    },
  }
}

/** A token of the verifier's time. */
function later(signer: ReturnType<typeof keySigner>, kid: string, aheadMs: number): string {
  const iat = Math.floor((Date.now() + aheadMs) / 1000)
  return signer.token({ alg: signer.alg, typ: 'at+jwt', kid }, claims({ iat, exp: iat + 900 }))
}

t.test('keys are fetched once, however many ask, and a known key never waits', async (t) => {
  const signer = keySigner('EdDSA')
  const jwks = await serveJwks(t, [signer.jwk()])
  const { codeOf, verifier } = clocked({ ...COMMON, jwksUrl: jwks.url })
  t.equal(verifier.state().keysAgeSeconds, undefined)
  t.strictSame(
    await Promise.all(Array.from({ length: 50 }, () => codeOf(signer.token()))),
    Array.from({ length: 50 }, () => undefined),
  )
  t.equal(jwks.asked, 1)
  t.type(verifier.state().keysAgeSeconds, 'number')
})

t.test('an unknown kid costs one refetch in ten seconds, whoever asks', async (t) => {
  const signer = keySigner('ES256')
  const jwks = await serveJwks(t, [signer.jwk()])
  const { codeOf, pass } = clocked({ ...COMMON, jwksUrl: jwks.url })
  await codeOf(signer.token())
  const unknown = () =>
    Promise.all(Array.from({ length: 100 }, (_, index) => codeOf(named(signer, `forged-${index}`))))
  const before = jwks.asked
  t.strictSame([...new Set(await unknown())], ['kid_unknown'])
  t.equal(jwks.asked, before, 'none within ten seconds of the last')
  pass(11)
  await unknown()
  await unknown()
  t.equal(jwks.asked, before + 1)
  pass(9)
  await unknown()
  t.equal(jwks.asked, before + 1, 'nor within ten seconds of that one')
  t.equal(await codeOf(signer.token({ alg: 'none', typ: 'at+jwt', kid: 'x' })), 'alg_not_allowed')
  pass(11)
  await codeOf(signer.token({ alg: 'HS256', typ: 'at+jwt', kid: 'x' }))
  t.equal(jwks.asked, before + 1, 'an algorithm that no published key has costs none')
})

t.test('a new key is believed from its first token on, a retired one until the next look', async (t) => {
  const [old, fresh] = [keySigner('EdDSA'), keySigner('EdDSA')]
  const jwks = await serveJwks(t, [old.jwk('old')])
  const { codeOf, pass, clock } = clocked({ ...COMMON, jwksUrl: jwks.url })
  t.equal(await codeOf(named(old, 'old')), undefined)
  jwks.keys = [fresh.jwk('new'), old.jwk('old')]
  pass(11)
  t.equal(await codeOf(later(fresh, 'new', clock.aheadMs)), undefined, 'fetched for it')
  t.equal(await codeOf(later(old, 'old', clock.aheadMs)), undefined, 'both are good')
  jwks.keys = [fresh.jwk('new')]
  pass(301)
  const asked = jwks.asked
  t.equal(
    await codeOf(later(old, 'old', clock.aheadMs)),
    undefined,
    'this token is what the look is taken for',
  )
  await until('the look', () => jwks.asked > asked)
  await until(
    'the old key is gone',
    async () => (await codeOf(later(old, 'old', clock.aheadMs))) === 'kid_unknown',
  )
  t.equal(await codeOf(later(fresh, 'new', clock.aheadMs)), undefined)
})

t.test(
  'a token that was believed before is not, once its key was retired or replaced under its name',
  async (t) => {
    for (const replaced of [false, true]) {
      const [old, fresh] = [keySigner('EdDSA'), keySigner('EdDSA')]
      const jwks = await serveJwks(t, [old.jwk('one')])
      const { codeOf, pass } = clocked({ ...COMMON, jwksUrl: jwks.url })
      const token = named(old, 'one')
      t.equal(await codeOf(token), undefined)
      t.equal(await codeOf(token), undefined, 'remembered')
      jwks.keys = [fresh.jwk(replaced ? 'one' : 'two')]
      pass(310)
      await codeOf(token)
      const code = replaced ? 'signature_invalid' : 'kid_unknown'
      await until(code, async () => (await codeOf(token)) === code)
    }
  },
)

t.test('Cache-Control of the key set says when to look again, from 30 seconds to an hour', async (t) => {
  const signer = keySigner('EdDSA')
  for (const [header, stillSeconds, againSeconds] of [
    ['public, max-age=60', 50, 61],
    ['max-age=0', 25, 31],
    ['max-age=999999', 3500, 3601],
    ['no-cache', 290, 301],
  ] as const) {
    const jwks = await serveJwks(t, [signer.jwk()])
    jwks.headers = { 'cache-control': header }
    const { codeOf, clock } = clocked({ ...COMMON, jwksUrl: jwks.url })
    await codeOf(signer.token())
    clock.aheadMs = stillSeconds * 1000
    await codeOf(later(signer, KID, clock.aheadMs))
    t.equal(jwks.asked, 1, `${header}: not within ${stillSeconds} s`)
    clock.aheadMs = againSeconds * 1000
    await codeOf(later(signer, KID, clock.aheadMs))
    await until(`${header}: after ${againSeconds} s`, () => jwks.asked === 2)
  }
})

t.test('while the auth service is away known keys are believed, up to keysMaxStaleSeconds', async (t) => {
  const signer = keySigner('EdDSA')
  const jwks = await serveJwks(t, [signer.jwk()])
  const { codeOf, pass, clock, problems } = clocked({
    ...COMMON,
    jwksUrl: jwks.url,
    keysMaxStaleSeconds: 3600,
  })
  t.equal(await codeOf(signer.token()), undefined)
  for (const fault of ['a status', 'no keys', 'no server'] as const) {
    if (fault === 'a status') jwks.status = 503
    if (fault === 'no keys') Object.assign(jwks, { status: 200, keys: [] })
    if (fault === 'no server') await jwks.close()
    const told = problems.length
    pass(400)
    t.equal(await codeOf(later(signer, KID, clock.aheadMs)), undefined, `${fault}: the key that is known`)
    await until('the look that fails', () => problems.length > told)
  }
  pass(11)
  t.equal(
    await codeOf(later(signer, 'new', clock.aheadMs)),
    'keys_unavailable',
    'nobody can tell of an unknown one',
  )
  pass(3600)
  t.equal(await codeOf(later(signer, KID, clock.aheadMs)), 'keys_unavailable', 'and after the limit of none')
  t.ok(problems.every((problem) => problem.startsWith('keys: ')))
})

t.test('a start without the auth service verifies nothing, and everything once it is there', async (t) => {
  const signer = keySigner('EdDSA')
  const jwks = await serveJwks(t, [signer.jwk()])
  jwks.status = 500
  const { codeOf, pass, verifier, clock } = clocked({ ...COMMON, jwksUrl: jwks.url })
  await t.rejects(verifier.ready(), /answered 500/)
  t.equal(await codeOf(signer.token()), 'keys_unavailable')
  t.equal(jwks.asked, 1, 'it is not hammered')
  jwks.status = 200
  pass(11)
  t.equal(await codeOf(later(signer, KID, clock.aheadMs)), undefined)
})

t.test('of a key set only named public keys of our algorithms are taken, each for its own', async (t) => {
  const [ed, ec, rsa] = [keySigner('EdDSA'), keySigner('ES256'), keySigner('RS256')]
  const secret = Buffer.alloc(32, 9)
  const { publicKey: short } = await import('node:crypto').then(({ generateKeyPairSync }) =>
    generateKeyPairSync('rsa', { modulusLength: 1024 }),
  )
  const twice = keySigner('EdDSA')
  const jwks = await serveJwks(t, [
    ed.jwk('ed'),
    { ...ec.jwk('ec'), alg: undefined },
    rsa.jwk('rsa'),
    { kty: 'oct', k: secret.toString('base64url'), kid: 'oct', alg: 'HS256' },
    { ...ed.jwk('enc'), use: 'enc' },
    { ...ed.jwk('sign-only'), key_ops: ['sign'] },
    { ...rsa.jwk('other-alg'), alg: 'PS256' },
    { ...ed.jwk(), kid: undefined },
    { ...short.export({ format: 'jwk' }), kid: 'short', alg: 'RS256' },
    { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: 'broken' },
    twice.jwk('twice'),
    ed.jwk('twice'),
    null,
    'text',
  ])
  const { codeOf, verifier } = clocked({ ...COMMON, jwksUrl: jwks.url })
  await verifier.ready()
  for (const [kid, signer] of [
    ['ed', ed],
    ['ec', ec],
    ['rsa', rsa],
  ] as const)
    t.equal(await codeOf(named(signer, kid)), undefined, kid)
  for (const kid of ['enc', 'sign-only', 'twice']) t.equal(await codeOf(named(ed, kid)), 'kid_unknown', kid)
  t.equal(await codeOf(named(rsa, 'other-alg')), 'kid_unknown')
  t.equal(await codeOf(named(rsa, 'short')), 'kid_unknown')
  t.equal(await codeOf(named(ec, 'ed')), 'alg_not_allowed', 'a key is not used with the algorithm of another')
  const input = `${encode({ alg: 'HS256', typ: 'at+jwt', kid: 'oct' })}.${encode(claims())}`
  const posing = `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
  t.equal(await codeOf(posing), 'alg_not_allowed', 'a symmetric key that stands in public is not taken')
})

t.test('a key set that leads elsewhere, never ends or is no key set replaces nothing', async (t) => {
  const signer = keySigner('EdDSA')
  const good = await serveJwks(t, [signer.jwk()])
  const evil = await serve(t, (request, response) => {
    if (request.url === '/away') return response.writeHead(302, { location: good.url }).end()
    if (request.url === '/html') return response.end('<html>')
    const more = () => response.write('x'.repeat(65_536), (error) => (error ? undefined : more()))
    more()
  })
  for (const path of ['/away', '/html', '/endless']) {
    const { verifier, codeOf } = clocked({ ...COMMON, jwksUrl: evil.url + path })
    await t.rejects(verifier.ready(), path)
    t.equal(await codeOf(signer.token()), 'keys_unavailable', path)
  }
  t.equal(good.asked, 0)
})

t.test('a key set that is slow to come is waited for, five seconds and no longer', async (t) => {
  const signer = keySigner('EdDSA')
  const jwks = await serveJwks(t, [signer.jwk()])
  let answer = () => {}
  jwks.hold = new Promise((resolve) => {
    answer = resolve
  })
  const { verifier, codeOf } = clocked({ ...COMMON, jwksUrl: jwks.url })
  const waiting = [codeOf(signer.token()), codeOf(signer.token())]
  t.strictSame(await Promise.all(waiting), ['keys_unavailable', 'keys_unavailable'])
  t.equal(jwks.asked, 1)
  answer()
  t.equal(verifier.state().keysAgeSeconds, undefined)
  jwks.hold = Promise.resolve()
  const other = clocked({ ...COMMON, jwksUrl: jwks.url })
  t.equal(await other.codeOf(signer.token()), undefined)
})

t.test('shared keys change without a restart where `secrets` is a function', async (t) => {
  const [old, fresh] = [hmacSigner(), hmacSigner()]
  let secrets = old.secrets
  const { codeOf, pass, clock } = clocked({ ...COMMON, secrets: async () => secrets })
  t.equal(await codeOf(old.token()), undefined)
  secrets = `${fresh.secrets.replace(KID, 'k2')},${old.secrets}`
  pass(11)
  const iat = Math.floor((Date.now() + clock.aheadMs) / 1000)
  const token = fresh.token({ alg: 'HS256', typ: 'at+jwt', kid: 'k2' }, claims({ iat, exp: iat + 900 }))
  t.equal(await codeOf(token), undefined, 'the new key')
  t.equal(await codeOf(old.token()), undefined, 'and the old one beside it')
  secrets = 'nothing of use'
  pass(400)
  t.equal(await codeOf(old.token()), undefined, 'a broken file takes no key away')
})

t.test('options that could verify nothing, or too much, stop the start by their name', async (t) => {
  const { secrets } = hmacSigner()
  const jwksUrl = 'https://auth.example.com/jwks.json'
  const feed = {
    url: 'https://auth.example.com/revocations',
    clientId: 'a',
    clientSecret: 'b',
    onStale: 'open',
  }
  const wrong: [RegExp, object][] = [
    [/^issuer: /, { secrets, issuer: '' }],
    [/^audience: /, { secrets, audience: undefined }],
    [/^secrets, jwksUrl: /, {}],
    [/^secrets, jwksUrl: /, { secrets, jwksUrl }],
    [/^jwksUrl: begins with https/, { jwksUrl: 'http://auth.internal/jwks.json' }],
    [/^jwksUrl: begins with https/, { jwksUrl: 'file:///etc/passwd' }],
    [/^jwksUrl: not a URL/, { jwksUrl: 'auth.example.com' }],
    [/^jwksUrl: holds a user name/, { jwksUrl: 'https://a:b@auth.example.com/' }],
    [/^clockToleranceSeconds: /, { secrets, clockToleranceSeconds: 3000 }],
    [/^clockToleranceSeconds: /, { secrets, clockToleranceSeconds: Number.NaN }],
    [/^maxLifetimeSeconds: /, { secrets, maxLifetimeSeconds: 0 }],
    [/^keysMaxStaleSeconds: /, { secrets, keysMaxStaleSeconds: -1 }],
    [
      /^revocations.url: begins with https/,
      { secrets, revocations: { ...feed, url: 'http://auth.internal/' } },
    ],
    [/^revocations.clientId, clientSecret: /, { secrets, revocations: { ...feed, clientSecret: '' } }],
    [/^revocations.maxStaleSeconds: /, { secrets, revocations: { ...feed, maxStaleSeconds: 1 } }],
    [/^revocations.onStale: /, { secrets, revocations: { ...feed, onStale: undefined } }],
  ]
  for (const [message, options] of wrong) {
    // The compiler refuses most of these; callers without one are told when they start.
    const given: VerifierOptions = Object.assign({ ...COMMON, secrets: '' }, { secrets: undefined }, options)
    t.throws(() => createVerifier(given), { name: 'TypeError', message })
  }
  createVerifier({ ...COMMON, jwksUrl: 'http://auth.internal/jwks.json', allowPlainHttp: true }).close()
  createVerifier({ ...COMMON, jwksUrl: 'http://[::1]:3000/jwks.json' }).close()
})
