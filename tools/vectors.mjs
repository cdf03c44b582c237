// Makes the test vectors from the fixed keys in vectors/keys.json: `npm run vectors`. With --check it writes nothing and
// fails where a file is not what it would write.
import { createHmac, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'

const home = new URL('../vectors/', import.meta.url)
const keys = JSON.parse(readFileSync(new URL('keys.json', home), 'utf8'))
const check = process.argv.includes('--check')

const ISSUER = 'https://auth.example.com'
const AUDIENCE = 'keyturn'
// 2026-01-01, and a moment that no verifier of these vectors lives to see: they need no clock.
const ISSUED = 1767225600
const FAR = 9999999999
const REVOKED = '0192d3a4-0000-7000-8000-00000000dead'

const CLAIMS = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: '7',
  iat: ISSUED,
  exp: FAR,
  jti: '1b4e28ba-2fa1-4d1b-883f-0016d3cca427',
  sid: '0192d3a4-0000-7000-8000-000000000001',
  gen: 3,
  token_type: 'access',
  user_id: 7,
  username: 'ada',
  email: 'ada@example.com',
  email_verified: true,
  first_name: 'Ada',
  last_name: 'Lovelace',
  roles: ['editor'],
}

for (const algorithm of ['HS256', 'EdDSA', 'ES256', 'RS256']) {
  const url = new URL(`${algorithm.toLowerCase()}.json`, home)
  const text = `${JSON.stringify(makeFile(algorithm, signaturesIn(url)), null, 2)}\n`
  if (!check) writeFileSync(url, text)
  else if (read(url) !== text) {
    process.stderr.write(`${url.pathname} is not what npm run vectors writes\n`)
    process.exitCode = 1
  }
}

function makeFile(algorithm, known) {
  const shared = algorithm === 'HS256'
  const k1 = keys[algorithm].k1
  return {
    about: `Access tokens of Keyturn, ${algorithm}. See docs/verify.md, "Test vectors".`,
    algorithm,
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: shared ? { secrets: `k1:${k1.k}` } : { jwks: { keys: [publicJwk(k1, algorithm)] } },
    revocations: {
      revoked: [{ sid: REVOKED, revoked_at: ISSUED, expires_at: FAR }],
      cursor: '1',
      server_time: ISSUED,
      max_age: FAR - ISSUED,
    },
    vectors: makeVectors(algorithm, (header, payload, kid, alg) =>
      assemble(header, payload, signer(alg ?? algorithm, keys[algorithm][kid ?? 'k1'], known)),
    ),
  }
}

/** What each vector is, and the code that keyturn/verify refuses it with. */
function makeVectors(algorithm, token) {
  const header = { alg: algorithm, typ: 'at+jwt', kid: 'k1' }
  const good = token(header, CLAIMS)
  const [head, payload, signature] = good.split('.')
  const refused = (name, code, about, text) => ({ name, verdict: 'refuse', code, about, token: text })
  const strictly = (...vector) => ({ ...refused(...vector), verdict: 'refuse-if-strict' })
  const claiming = (changes) => token(header, { ...CLAIMS, ...changes })
  return [
    { name: 'good', verdict: 'accept', about: 'as Keyturn writes it', token: good, claims: CLAIMS },
    refused(
      'expired',
      'token_expired',
      'exp was on 2026-01-01',
      claiming({ iat: ISSUED - 900, exp: ISSUED }),
    ),
    refused('not yet valid', 'token_not_yet_valid', 'nbf is in 2286', claiming({ nbf: FAR - 1 })),
    refused('no exp', 'claims_invalid', 'a token that never ends', claiming({ exp: undefined })),
    wrongAlgorithm(algorithm, token),
    refused(
      'none',
      'alg_not_allowed',
      'alg none, with a signature',
      token({ ...header, alg: 'none' }, CLAIMS),
    ),
    refused(
      'none without signature',
      'token_malformed',
      'alg none (RFC 7519, 6)',
      `${encode({ ...header, alg: 'none' })}.${payload}.`,
    ),
    refused(
      'wrong iss',
      'issuer_wrong',
      'of another environment',
      claiming({ iss: 'https://staging.example.com' }),
    ),
    refused('wrong aud', 'audience_wrong', 'for another service', claiming({ aud: 'billing' })),
    refused('wrong typ', 'typ_not_allowed', 'typ JWT, not at+jwt', token({ ...header, typ: 'JWT' }, CLAIMS)),
    refused('no typ', 'typ_not_allowed', 'typ is missing', token({ ...header, typ: undefined }, CLAIMS)),
    refused('wrong token_type', 'token_type_wrong', 'no access token', claiming({ token_type: 'refresh' })),
    refused(
      'retired kid',
      'kid_unknown',
      'a real key that was retired',
      token({ ...header, kid: 'k0' }, CLAIMS, 'k0'),
    ),
    refused('no kid', 'kid_unknown', 'the key is not named', token({ ...header, kid: undefined }, CLAIMS)),
    refused(
      'wrong key',
      'signature_invalid',
      'the retired key in the name of the other',
      token(header, CLAIMS, 'k0'),
    ),
    refused(
      'changed payload',
      'signature_invalid',
      'another user under the same signature',
      `${head}.${encode({ ...CLAIMS, sub: '1', user_id: 1 })}.${signature}`,
    ),
    {
      ...refused(
        'revoked',
        'session_revoked',
        'its session stands in `revocations`',
        claiming({ sid: REVOKED }),
      ),
      needs: 'revocations',
    },
    strictly(
      'crit',
      'token_malformed',
      'an extension that must be understood (RFC 7515, 4.1.11)',
      token({ ...header, crit: ['x'], x: 1 }, CLAIMS),
    ),
    strictly('iat ahead', 'token_not_yet_valid', 'iat is in 2286', claiming({ iat: FAR - 1 })),
    strictly(
      'aud a list',
      'audience_wrong',
      'Keyturn writes one audience',
      claiming({ aud: ['billing', AUDIENCE] }),
    ),
    strictly(
      'name twice',
      'claims_invalid',
      'user_id twice; parsers differ',
      token(header, JSON.stringify(CLAIMS).replace('"user_id"', '"user_id":1,"user_id"')),
    ),
  ]
}

/** A signature that is right by another algorithm, which the key is not for (RFC 8725, 2.1 and 3.1). */
function wrongAlgorithm(algorithm, token) {
  const alg = algorithm === 'HS256' ? 'HS512' : 'HS256'
  const about =
    algorithm === 'HS256' ? 'HS512 with the same secret' : 'HS256 with the public key (PEM) as the secret'
  const text = token({ alg, typ: 'at+jwt', kid: 'k1' }, CLAIMS, 'k1', alg)
  return { name: 'wrong alg', verdict: 'refuse', code: 'alg_not_allowed', about, token: text }
}

function signer(algorithm, jwk, known) {
  if (algorithm.startsWith('HS')) {
    const secret = jwk.kty === 'oct' ? Buffer.from(jwk.k, 'base64url') : publicPem(jwk)
    return (input) =>
      createHmac(`sha${algorithm.slice(2)}`, secret)
        .update(input)
        .digest('base64url')
  }
  const key = { key: createPrivateKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }
  const hash = algorithm === 'EdDSA' ? null : 'sha256'
  return (input) => {
    // ES256 draws a number for each signature: one that is good is kept, so that the files do not change each time.
    const publicKey = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }
    const kept = known.find(
      ([signed, signature]) =>
        signed === input && verify(hash, Buffer.from(input), publicKey, Buffer.from(signature, 'base64url')),
    )
    if (kept) return kept[1]
    return sign(hash, Buffer.from(input), key).toString('base64url')
  }
}

function assemble(header, payload, signatureOf) {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${signatureOf(input)}`
}

function encode(value) {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

function publicJwk(jwk, algorithm) {
  const { kty, crv, x, y, n, e } = jwk
  return { kty, crv, x, y, n, e, kid: 'k1', alg: algorithm, use: 'sig' }
}

function publicPem(jwk) {
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
}

/** What the tokens of the file as it is sign, each with its signature. */
function signaturesIn(url) {
  const text = read(url)
  const vectors = text === undefined ? [] : JSON.parse(text).vectors
  return vectors.map(({ token }) => {
    const end = token.lastIndexOf('.')
    return [token.slice(0, end), token.slice(end + 1)]
  })
}

function read(url) {
  try {
    return readFileSync(url, 'utf8')
  } catch {
    return undefined
  }
}
