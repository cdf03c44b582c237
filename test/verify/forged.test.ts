import { createHmac } from 'node:crypto'
import { jwtVerify } from 'jose'
import t from 'tap'
import type { VerifyErrorCode } from '../../src/verify/index.ts'
import { answerTo, createVerifier } from '../../src/verify/index.ts'
import type { Signer } from './signing.ts'
import { AUDIENCE, COMMON, claims, encode, hmacSigner, ISSUER, KID, keySigner, serveJwks } from './signing.ts'

/** Group A of the abuse cases, against `keyturn/verify`. */
const ALGORITHMS = ['HS256', 'EdDSA', 'ES256', 'RS256'] as const

type Case = readonly [what: string, token: string, code: VerifyErrorCode]

for (const alg of ALGORITHMS) {
  t.test(
    `${alg}: every forged, broken or foreign token is refused, and callers are told one thing`,
    async (t) => {
      const { signer, verifier, publicKeys } = await keyed(t, alg)
      const good = signer.token()
      t.equal(
        (await verifier.verify(good)).error,
        undefined,
        'the token that the others are made from is good',
      )

      const answers = new Set<string>()
      for (const [what, token, code] of [...forgeries(signer, good), ...confusions(signer, publicKeys)]) {
        const { error } = await verifier.verify(token)
        t.equal(error?.code, code, what)
        if (error === undefined) continue
        answers.add(JSON.stringify(answerTo(error)))
        t.notOk(token.length > 12 && error.message.includes(token), `${what}: the message does not quote it`)
      }
      t.equal(answers.size, 1, 'all of them to the byte')
      t.match([...answers][0], /"status":401,.*error=\\"invalid_token\\".*invalid_token/)
    },
  )

  t.test(`${alg}: no bit of a token can be changed`, async (t) => {
    const { signer, verifier } = await keyed(t, alg)
    const good = signer.token()
    const [head = '', payload = '', signature = ''] = good.split('.')
    const parts = [head, payload, signature]
    // Every position of the signature, and every seventh of what it signs: each flipped to a neighbour in the alphabet.
    const positions = parts.flatMap((part, index) =>
      [...part].flatMap((_, at) => (index === 2 || at % 7 === 0 ? [[index, at] as const] : [])),
    )
    const believed = []
    for (const [index, at] of positions) {
      const mutated = parts.with(index, flipped(parts[index] ?? '', at)).join('.')
      if ((await verifier.verify(mutated)).claims !== undefined) believed.push([index, at])
    }
    t.ok(positions.length > 80)
    t.strictSame(believed, [])
  })

  t.test(
    `${alg}: what the verifier believes jose believes too, and every difference is one of strictness`,
    async (t) => {
      const { signer, verifier, joseKey } = await keyed(t, alg)
      const strict: VerifyErrorCode[] = []
      for (const token of mutations(signer)) {
        const { claims, error } = await verifier.verify(token)
        const jose = await jwtVerify(token, joseKey, {
          issuer: ISSUER,
          audience: AUDIENCE,
          typ: 'at+jwt',
          algorithms: [alg],
          requiredClaims: ['exp', 'iat', 'sub', 'jti'],
          clockTolerance: 5,
        }).then(
          ({ payload }) => payload,
          () => undefined,
        )
        if (claims !== undefined) t.equal(jose?.sub, claims.sub, 'jose believes it')
        if (error !== undefined && jose !== undefined) strict.push(error.code)
      }
      // jose reads other spellings of the type, extra header members, lists of audiences and claims that it knows nothing of.
      const reasons = new Set<VerifyErrorCode>([
        'typ_not_allowed',
        'token_malformed',
        'kid_unknown',
        'audience_wrong',
        'token_type_wrong',
        'claims_invalid',
        'token_not_yet_valid',
      ])
      t.ok(strict.length > 10)
      t.strictSame(
        strict.filter((code) => !reasons.has(code)),
        [],
      )
    },
  )
}

t.test(
  'A18: claims are copied by name, so that no name of a payload reaches what every object has',
  async (t) => {
    const { signer, verifier } = await keyed(t, 'HS256')
    const text = JSON.stringify(claims()).replace(
      '{',
      '{"__proto__":{"is_admin":true},"constructor":{"name":"x"},',
    )
    const { claims: read } = await verifier.verify(signer.token(undefined, text))
    t.equal(Object.getPrototypeOf(read), Object.prototype)
    t.notOk(Object(read).is_admin)
    t.strictSame(
      Object.keys(read ?? {}).sort(),
      'aud email email_verified exp first_name iat iss jti last_name profile roles sid sub token_type user_id username'.split(
        ' ',
      ),
    )
  },
)

t.test(
  'A16: weak, misspelt or missing secrets stop the start, and the message does not hold them',
  async (t) => {
    const wrong = [
      '',
      'k1:',
      'k1:A',
      'secret',
      'k1:hunter22',
      `k1:${Buffer.alloc(31, 7).toString('base64url')}`,
      `k1:${Buffer.alloc(32, 7).toString('base64')}`,
      `:${Buffer.alloc(32, 7).toString('base64url')}`,
      `a b:${Buffer.alloc(32, 7).toString('base64url')}`,
      ['k1', 'k1'].map((kid, at) => `${kid}:${Buffer.alloc(32, at).toString('base64url')}`).join(),
    ]
    for (const secrets of wrong) {
      const thrown = t.throws(() => createVerifier({ ...COMMON, secrets }), {
        name: 'TypeError',
        message: /^secrets: /,
      })
      t.notOk(secrets.length > 7 && String(Object(thrown).message).includes(secrets.slice(3)))
    }
  },
)

t.test('A42, A44: the Authorization header has one form, and is the only place', async (t) => {
  const { signer, verifier } = await keyed(t, 'HS256')
  const token = signer.token()
  for (const good of [`Bearer ${token}`, `bearer ${token}`, `BEARER ${token}`])
    t.ok((await verifier.verifyHeader(good)).claims, good.slice(0, 7))
  for (const bad of [
    `Bearer  ${token}`,
    `Bearer ${token} `,
    `Bearer ${token} y`,
    `Bearer ${token},b`,
    'Bearer',
    'Bearer ',
  ])
    t.equal((await verifier.verifyHeader(bad)).error?.code, 'token_malformed', bad.slice(0, 8))
  for (const none of [undefined, null, '', 'Basic YTpi', token, `Bearer\t${token}`, `Token ${token}`])
    t.equal((await verifier.verifyHeader(none)).error?.code, 'token_missing', String(none).slice(0, 8))
})

t.test('A45: a token is believed for its life and the tolerance, and no longer', async (t) => {
  let skewMs = 0
  const signer = hmacSigner()
  const verifier = createVerifier({ ...COMMON, secrets: signer.secrets, now: () => Date.now() + skewMs })
  const token = signer.token()
  const codeAt = async (seconds: number) => {
    skewMs = seconds * 1000
    return (await verifier.verify(token)).error?.code
  }
  t.equal(await codeAt(0), undefined)
  t.equal(await codeAt(902), undefined, 'within the tolerance')
  t.equal(await codeAt(906), 'token_expired')
  t.equal(await codeAt(-3), undefined, 'a clock that is behind within the tolerance')
  t.equal(await codeAt(-8), 'token_not_yet_valid')
  const { claims: first } = await verifier.verify(await good())
  t.throws(
    () => Object(first).roles.push('admin'),
    TypeError,
    'what one request is given no other can be changed by',
  )

  async function good(): Promise<string> {
    skewMs = 0
    return token
  }
})

// ── the tokens ──────────────────────────────────────────────────────────────────────────────────────────────

function forgeries(signer: Signer, good: string): Case[] {
  const { alg } = signer
  const [head = '', payload = '', signature = ''] = good.split('.')
  const now = Math.floor(Date.now() / 1000)
  const headed = (header: unknown) => signer.token(header)
  const header = (changes: object) => headed({ alg, typ: 'at+jwt', kid: KID, ...changes })
  const claiming = (changes: Record<string, unknown>) => signer.token(undefined, claims(changes))
  const saying = (from: string, to: string) =>
    signer.token(undefined, JSON.stringify(claims()).replace(from, to))
  const unsigned = (value: object) => `${encode(value)}.${payload}.`
  const all = (code: VerifyErrorCode, cases: Record<string, string>): Case[] =>
    Object.entries(cases).map(([what, token]) => [what, token, code])

  return [
    ...all('token_malformed', {
      'A1 none without signature': unsigned({ alg: 'none', typ: 'at+jwt', kid: KID }),
      'A8 crit of an extension': header({ crit: ['x'], x: 1 }),
      'A8 crit empty': header({ crit: [] }),
      'A8 crit a text': header({ crit: 'x' }),
      'A8 crit of alg': header({ crit: ['alg'] }),
      'A8 crit twice the same': header({ crit: ['exp', 'exp'] }),
      'A9 crit null': header({ crit: null }),
      'A10 b64 in crit': header({ b64: false, crit: ['b64'] }),
      'A10 b64 alone': header({ b64: false }),
      'A17 alg twice': headed(`{"alg":"none","alg":"${alg}","typ":"at+jwt","kid":"${KID}"}`),
      'a key of its own': header({ jwk: { kty: 'oct', k: 'AAAA' } }),
      'a URL of its own': header({ jku: 'https://evil.example/jwks.json' }),
      'a certificate of its own': header({ x5u: 'https://evil.example/x', x5c: ['AA'] }),
      'a compressed payload': header({ zip: 'DEF' }),
      '__proto__ in the header': headed(`{"alg":"${alg}","typ":"at+jwt","kid":"${KID}","__proto__":{"x":1}}`),
      'blanks in the header': headed(`{"alg": "${alg}", "typ": "at+jwt", "kid": "${KID}"}`),
      'a byte order mark': headed(`\ufeff{"alg":"${alg}","typ":"at+jwt","kid":"${KID}"}`),
      'invalid UTF-8': headed(Buffer.from([0x7b, 0xff, 0x7d])),
      'a header that is a list': headed('[]'),
      'a header that is null': headed('null'),
      'a header that is no JSON': headed('{'),
      ...Object.fromEntries(
        ['=', '+', '/', '%20', ' ', '\n', '\0'].map((tail) => [`A20 ${JSON.stringify(tail)}`, good + tail]),
      ),
      'a blank before it': ` ${good}`,
      'A21 one part': head,
      'A21 two parts': `${head}.${payload}`,
      'A21 four parts': `${good}.${signature}`,
      'A21 five parts': 'a.b.c.d.e',
      'A21 dots': '...',
      'A21 two dots': '..',
      'A21 nothing': '',
      'A22 JWS JSON': JSON.stringify({ payload, signatures: [{ protected: head, signature }] }),
      'A22 flattened': JSON.stringify({ payload, protected: head, signature }),
      'A24 5 kB': signer.token(undefined, claims({ pad: 'x'.repeat(5000) })),
      'A24 14 kB': signer.token(undefined, claims({ pad: 'x'.repeat(14_000) })),
      'A24 20 kB of dots': '.'.repeat(20_000),
      'A36 a mail link': 'A'.repeat(80),
      'A34 a refresh token': `ktr_${'A'.repeat(90)}`,
      'A41 the last character another spelling': `${head}.${payload}.${alias(signature)}`,
    }),
    ...all('alg_not_allowed', {
      'A1 none with a signature': header({ alg: 'none' }),
      ...Object.fromEntries(
        ['None', 'NONE', 'noNe', 'none '].map((none) => [`A2 ${none}`, header({ alg: none })]),
      ),
      'A4 HS512': header({ alg: 'HS512' }),
      'A4 HS384': header({ alg: 'HS384' }),
      'A6 alg missing': header({ alg: undefined }),
      'A6 alg a number': header({ alg: 1 }),
      'A6 alg a list': header({ alg: [alg] }),
      'A6 alg an object': header({ alg: {} }),
      'A6 alg empty': header({ alg: '' }),
      'A6 alg of 2 kB': header({ alg: 'x'.repeat(2000) }),
      'A6 alg in other case': header({ alg: alg.toLowerCase() }),
      PS256: header({ alg: 'PS256' }),
      'an algorithm of the other kind': header({ alg: alg === 'HS256' ? 'RS256' : 'HS256' }),
    }),
    ...all('kid_unknown', {
      'kid missing': header({ kid: undefined }),
      'kid empty': header({ kid: '' }),
      'A12 a path': header({ kid: '../../dev/null' }),
      'A12 SQL': header({ kid: "' OR 1=1--" }),
      'A12 2 kB': header({ kid: 'k'.repeat(2000) }),
      'A12 NUL': header({ kid: 'k1\0' }),
      'A12 an object': header({ kid: { a: 1 } }),
      'A12 a list': header({ kid: [KID] }),
      'A12 a number': header({ kid: 1 }),
      ...Object.fromEntries(
        ['__proto__', 'constructor', 'toString', 'hasOwnProperty'].map((kid) => [
          `A13 ${kid}`,
          header({ kid }),
        ]),
      ),
      'A14 unknown': header({ kid: 'k2' }),
      'A14 unknown, with the empty key': emptyKeyed({ alg, typ: 'at+jwt', kid: 'k2' }, payload),
      'kid in other case': header({ kid: KID.toUpperCase() }),
    }),
    ...all('typ_not_allowed', {
      'A33 absent': header({ typ: undefined }),
      ...Object.fromEntries(
        ['JWT', 'AT+JWT', 'application/at+jwt', 'rt+jwt', ['at+jwt'], 1].map((typ) => [
          `A33 ${typ}`,
          header({ typ }),
        ]),
      ),
    }),
    ...all('signature_invalid', {
      'A14 the empty key': emptyKeyed({ alg, typ: 'at+jwt', kid: KID }, payload),
      'A41 cut by four': `${head}.${payload}.${encode(Buffer.from(signature, 'base64url').subarray(0, -3))}`,
      'A41 a signature of one byte': `${head}.${payload}.AA`,
      'A41 of another payload': `${head}.${encode(claims({ sub: '8', user_id: 8 }))}.${signature}`,
      'A41 all zero': `${head}.${payload}.${Buffer.alloc(Buffer.from(signature, 'base64url').length).toString('base64url')}`,
      'A38 another key of the same name': (alg === 'HS256'
        ? hmacSigner()
        : keySigner(asymmetric(alg))
      ).token(),
      'A50 a random signature': `${head}.${payload}.${Buffer.alloc(64, 5).toString('base64url')}`,
    }),
    ...all('claims_invalid', {
      'A17 exp twice': saying('"exp":', '"exp":1,"exp":'),
      'A25 exp absent': claiming({ exp: undefined }),
      ...Object.fromEntries(
        ['1795', null, {}, [], true, -1, 1.5].map((exp) => [`A26 ${JSON.stringify(exp)}`, claiming({ exp })]),
      ),
      'A28 exp beyond a double': saying(/"exp":\d+/.exec(JSON.stringify(claims()))?.[0] ?? '', '"exp":1e999'),
      'A28 ten years': claiming({ exp: now + 315_360_000 }),
      'A28 exp before iat': claiming({ iat: now + 4, exp: now + 3 }),
      'A29 nbf a text': claiming({ nbf: 'soon' }),
      'A29 nbf null': claiming({ nbf: null }),
      'A30 iat a text': claiming({ iat: String(now) }),
      'A30 iat absent': claiming({ iat: undefined }),
      'blanks in the payload': signer.token(undefined, JSON.stringify(claims(), null, 1)),
      'a payload that is null': signer.token(undefined, 'null'),
      'a payload that is a list': signer.token(undefined, '[]'),
      'a payload that is no JSON': signer.token(undefined, 'not json'),
      'sub absent': claiming({ sub: undefined }),
      'sub a number': claiming({ sub: 7 }),
      'sub of another user than user_id': claiming({ sub: '8' }),
      'user_id a text': claiming({ user_id: '7' }),
      'jti absent': claiming({ jti: undefined }),
      'sid absent': claiming({ sid: undefined }),
      'sid a list': claiming({ sid: [claims()['sid']] }),
      'sid no UUID': claiming({ sid: 'all' }),
      'roles a text': claiming({ roles: 'admin' }),
      'roles of objects': claiming({ roles: [{}] }),
      'username absent': claiming({ username: undefined }),
    }),
    ...all('token_expired', {
      'exp past': claiming({ iat: now - 1000, exp: now - 100 }),
      'exp 1': claiming({ iat: 0, exp: 1 }),
    }),
    ...all('token_not_yet_valid', {
      'A29 nbf ahead': claiming({ nbf: now + 60 }),
      'A30 iat ahead': claiming({ iat: now + 86_400, exp: now + 87_000 }),
    }),
    ...all('issuer_wrong', {
      'A32 absent': claiming({ iss: undefined }),
      'A32 with a slash': claiming({ iss: `${ISSUER}/` }),
      'A32 in other case': claiming({ iss: ISSUER.toUpperCase() }),
      'A32 a list': claiming({ iss: ['evil', ISSUER] }),
      'A38 another environment': claiming({ iss: 'https://staging.example.com' }),
    }),
    ...all('audience_wrong', {
      'aud absent': claiming({ aud: undefined }),
      'aud another': claiming({ aud: 'billing' }),
      'aud a list with ours': claiming({ aud: ['evil', AUDIENCE] }),
      'aud empty': claiming({ aud: '' }),
    }),
    ...all('token_type_wrong', {
      'A34 token_type refresh': claiming({ token_type: 'refresh' }),
      'token_type absent': claiming({ token_type: undefined }),
    }),
  ]
}

/** A5: the public key in all its spellings as the secret of an HMAC. */
function confusions(signer: Signer, publicKeys: readonly string[]): Case[] {
  const input = `${encode({ alg: 'HS256', typ: 'at+jwt', kid: KID })}.${encode(claims())}`
  return publicKeys
    .flatMap((text) => [
      text,
      ...[' ', '\n', '\t', '\ufeff', '#c\n', '\u200b'].map((before) => before + text),
    ])
    .flatMap((secret) => {
      const signature = createHmac('sha256', secret).update(input).digest('base64url')
      const honest = `${encode({ alg: signer.alg, typ: 'at+jwt', kid: KID })}.${encode(claims())}`
      const posing = createHmac('sha256', secret).update(honest).digest('base64url')
      return [
        ['A5 an HMAC with the public key', `${input}.${signature}`, 'alg_not_allowed'],
        ['A5 the same under the name of its algorithm', `${honest}.${posing}`, 'signature_invalid'],
      ] as const
    })
}

/** Tokens signed with the real key, each different from a good one in one thing. */
function* mutations(signer: Signer): Iterable<string> {
  const header = { alg: signer.alg, typ: 'at+jwt', kid: KID }
  const values = [
    undefined,
    null,
    0,
    1,
    -1,
    1e10,
    '',
    'x',
    [],
    {},
    true,
    'at+jwt',
    'application/at+jwt',
    [AUDIENCE],
    ISSUER,
  ]
  for (const value of values) {
    for (const name of ['typ', 'kid', 'crit', 'x', 'b64'])
      yield signer.token({ ...header, [name]: value }, claims())
    for (const name of Object.keys(claims({ nbf: 1, x: 1 })))
      yield signer.token(header, claims({ [name]: value }))
  }
}

function emptyKeyed(header: object, payload: string): string {
  const input = `${encode(header)}.${payload}`
  return `${input}.${createHmac('sha256', '').update(input).digest('base64url')}`
}

/** The same bytes in another spelling, where the last character has bits to spare. */
function alias(signature: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(signature.at(-1) ?? '')
  return signature.slice(0, -1) + alphabet[last + 1]
}

function flipped(text: string, at: number): string {
  return text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
}

function asymmetric(alg: string): 'EdDSA' | 'ES256' | 'RS256' {
  return alg === 'EdDSA' || alg === 'ES256' ? alg : 'RS256'
}

/** A signer, a verifier that knows its key, and everything that is public of it. */
async function keyed(t: { teardown(end: () => unknown): void }, alg: (typeof ALGORITHMS)[number]) {
  if (alg === 'HS256') {
    const signer = hmacSigner()
    const joseKey = Buffer.from(signer.secrets.split(':')[1] ?? '', 'base64url')
    return {
      signer,
      joseKey,
      verifier: createVerifier({ ...COMMON, secrets: signer.secrets }),
      publicKeys: [],
    }
  }
  const signer = keySigner(alg)
  const jwks = await serveJwks(t, [signer.jwk()])
  const publicKeys = [
    signer.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    signer.publicKey.export({ type: 'spki', format: 'pem' }).toString().trim(),
    JSON.stringify(signer.jwk()),
    JSON.stringify([signer.jwk()]),
    JSON.stringify({ keys: [signer.jwk()] }),
  ]
  return {
    signer,
    joseKey: signer.publicKey,
    verifier: createVerifier({ ...COMMON, jwksUrl: jwks.url }),
    publicKeys,
  }
}
