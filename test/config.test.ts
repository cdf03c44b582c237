import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import type { Config, Fault } from '../src/config.ts'
import { ConfigError, describeSettings, EXIT_CONFIG, readConfig, withPort } from '../src/config.ts'
import { TEST_SECRETS } from './helpers/app.ts'

type Env = Readonly<Record<string, string | undefined>>

const key = (kid: string, bytes: Buffer = randomBytes(32)) => `${kid}:${bytes.toString('base64url')}`

const production: Env = {
  NODE_ENV: 'production',
  PUBLIC_URL: 'https://auth.example.com',
  DATABASE_URL: 'postgres://keyturn:pw@db/keyturn',
  SMTP_URL: 'smtps://keyturn:pw@mail.example.com:465',
  JWT_SECRETS: key('k1'),
  SERVER_SECRETS: key('s1'),
}

function refusal(env: Env): ConfigError {
  try {
    readConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error(`accepted: ${Object.keys(env).join(', ')}`)
}

/** The one fault of this environment. */
function fault(env: Env): Fault {
  const { faults, message } = refusal(env)
  const [first, ...others] = faults
  if (first === undefined || others.length > 0) throw new Error(`not one fault: ${message}`)
  return first
}

const faulty = (env: Env) => refusal(env).faults.map((each) => each.setting)

t.test('every default is the one that the contract lists', async (t) => {
  const contract: Record<string, string | undefined> = {
    NODE_ENV: 'development',
    METRICS_PORT: undefined,
    HOST: '127.0.0.1',
    PORT: '3000',
    DIALECTS: 'canonical=/',
    DATABASE_URL: undefined,
    DATA_DIR: '.data',
    DATABASE_POOL_MAX: '10',
    JWT_SECRETS: undefined,
    SERVER_SECRETS: undefined,
    JWT_ISSUER: 'PUBLIC_URL',
    JWT_AUDIENCE: 'keyturn',
    JWT_ALGORITHM: 'HS256',
    JWT_PRIVATE_KEYS_FILE: undefined,
    JWT_AUDIENCE_KEYS: undefined,
    ACCESS_TTL: '15m',
    REFRESH_TTL: '90d',
    REFRESH_IDLE_TTL: '30d',
    REFRESH_GRACE: '30s',
    REFRESH_REPLAY: 'recover',
    REFRESH_COOKIE: 'off',
    REGISTRATION: 'open',
    EMAIL_VERIFICATION: 'required',
    PASSWORD_MIN_LENGTH: '8',
    PASSWORD_HISTORY: '0',
    BCRYPT_COST: '12',
    PROFILE_SCHEMA_FILE: undefined,
    PROFILE_CLAIMS: undefined,
    SMTP_URL: undefined,
    MAIL_TEMPLATES_DIR: undefined,
    VERIFY_URL: undefined,
    RESET_URL: undefined,
    CORS_ORIGINS: undefined,
    TRUST_PROXY: undefined,
    RATE_LIMIT: 'on',
    UNVERIFIED_TTL: '7d',
    AUTHTOKEN_TTL: '30d',
    SIGNUP_TTL: '24h',
    KNOX_TTL: '10h',
    SIMPLEJWT_ROTATE: 'false',
    SIMPLEJWT_STATUS_REFRESH: 'false',
    SIMPLEJWT_REVEAL_ACCOUNTS: 'false',
    SIMPLEJWT_ACTIVATE_BY_GET: 'true',
    ACTIVATED_URL: 'PUBLIC_URL',
  }
  const described = new Map(describeSettings().map((each) => [each.name, each.default]))
  for (const [name, standard] of Object.entries(contract)) {
    t.ok(described.has(name), `${name} is a setting`)
    t.equal(described.get(name), standard, name)
    described.delete(name)
  }
  t.same(
    [...described.keys()],
    ['PUBLIC_URL', 'MAIL_FROM', 'PAGE_CSS_FILE', 'SERVICE_CLIENTS', 'RATE_LIMIT_IPV6_PREFIX', 'LOG_LEVEL'],
    'the contract names no default for these',
  )
})

t.test('an empty environment is a development service on the loopback', async (t) => {
  const expected: Config = {
    nodeEnv: 'development',
    host: '127.0.0.1',
    port: 3000,
    metricsPort: undefined,
    publicUrl: 'http://127.0.0.1:3000',
    dialects: [{ name: 'canonical', prefix: '/' }],
    databaseUrl: undefined,
    dataDir: '.data',
    databasePoolMax: 10,
    jwtAlgorithm: 'HS256',
    jwtPrivateKeys: undefined,
    jwtSecrets: undefined,
    serverSecrets: undefined,
    jwtIssuer: 'http://127.0.0.1:3000',
    jwtAudience: 'keyturn',
    jwtAudienceKeys: [],
    accessTtlSeconds: 15 * 60,
    refreshTtlSeconds: 90 * 86_400,
    refreshIdleTtlSeconds: 30 * 86_400,
    refreshGraceSeconds: 30,
    refreshReplay: 'recover',
    refreshCookie: false,
    registration: 'open',
    emailVerification: 'required',
    passwordMinLength: 8,
    passwordHistory: 0,
    bcryptCost: 12,
    profileSchema: undefined,
    profileClaims: [],
    smtpUrl: undefined,
    mailFrom: 'Keyturn <no-reply@localhost>',
    mailTemplatesDir: undefined,
    verifyUrl: undefined,
    resetUrl: undefined,
    pageCss: undefined,
    corsOrigins: [],
    trustProxy: [],
    serviceClients: [],
    rateLimit: true,
    rateLimitIpv6Prefix: 64,
    logLevel: 'info',
    unverifiedTtlSeconds: 7 * 86_400,
    authtokenTtlSeconds: 30 * 86_400,
    signupTtlSeconds: 86_400,
    knoxTtlSeconds: 36_000,
    simplejwtRotate: false,
    simplejwtStatusRefresh: false,
    simplejwtRevealAccounts: false,
    simplejwtActivateByGet: true,
    activatedUrl: 'http://127.0.0.1:3000/',
  }
  t.strictSame({ ...readConfig({}) }, expected)
})

t.test('every setting says what it is, what it takes and why it has its default', async (t) => {
  for (const { name, about, why, expected } of describeSettings()) {
    t.match(about, /^\S.{10,}[^.]$/, `${name}: about`)
    t.match(why, /^\S.{10,}[^.]$/, `${name}: why`)
    t.match(expected, /\S/, `${name}: expected`)
  }
})

t.test('all wrong settings are reported at once, one line each', async (t) => {
  const error = refusal({
    PORT: 'http',
    ACCESS_TTL: '900',
    JWT_SECRETS: 'k1:short',
    RATE_LIMIT: 'false',
    TRUST_PROXY: '1',
    METRICS_PORT: 'none',
    JWT_SECRET: 'x',
    DATABASE_URL_FILE: '/does/not/exist',
  })
  const names = ['PORT', 'METRICS_PORT', 'DATABASE_URL', 'JWT_SECRETS']
  t.same(
    error.faults.map((each) => each.setting),
    [...names, 'ACCESS_TTL', 'TRUST_PROXY', 'RATE_LIMIT', 'JWT_SECRET'],
  )
  const [title, ...lines] = error.message.split('\n')
  t.match(title, /8 settings are wrong/)
  t.equal(lines.length, 8)
  for (const [index, { setting, problem, expected, remedy }] of error.faults.entries()) {
    t.equal(lines[index], `  ${setting} ${problem}; expected ${expected}; ${remedy}`)
  }
  t.equal(error.name, 'ConfigError')
  t.equal(EXIT_CONFIG, 78)
})

t.test('what is set is what is read', async (t) => {
  const config = readConfig({
    ...production,
    HOST: '0.0.0.0',
    PORT: '8080',
    PUBLIC_URL: 'https://AUTH.example.com:443/keyturn/',
    DIALECTS: 'canonical=/api/auth',
    DATABASE_POOL_MAX: '25',
    JWT_AUDIENCE: 'https://api.example.com',
    ACCESS_TTL: '90s',
    REFRESH_TTL: '12h',
    REFRESH_IDLE_TTL: '2h',
    REFRESH_GRACE: '0s',
    REFRESH_REPLAY: 'strict',
    EMAIL_VERIFICATION: 'off',
    MAIL_FROM: 'Jürgen <post@example.com>',
    VERIFY_URL: 'https://app.example.com/verify?from=mail',
    CORS_ORIGINS: 'https://app.example.com, http://localhost:5173,capacitor://localhost',
    TRUST_PROXY: '10.0.0.0/8, fd00::/8,::1/128',
    LOG_LEVEL: 'warn',
  })
  t.match(config, {
    host: '0.0.0.0',
    port: 8080,
    publicUrl: 'https://auth.example.com/keyturn',
    jwtIssuer: 'https://auth.example.com/keyturn',
    dialects: [{ name: 'canonical', prefix: '/api/auth' }],
    databasePoolMax: 25,
    jwtAudience: 'https://api.example.com',
    accessTtlSeconds: 90,
    refreshTtlSeconds: 43_200,
    refreshIdleTtlSeconds: 7200,
    refreshGraceSeconds: 0,
    refreshReplay: 'strict',
    emailVerification: 'off',
    mailFrom: 'Jürgen <post@example.com>',
    verifyUrl: 'https://app.example.com/verify?from=mail',
    corsOrigins: ['https://app.example.com', 'http://localhost:5173', 'capacitor://localhost'],
    trustProxy: ['10.0.0.0/8', 'fd00::/8', '::1/128'],
    logLevel: 'warn',
  })
  t.equal(readConfig(production).mailFrom, 'Keyturn <no-reply@auth.example.com>')
})

t.test('a setting can stand in a file, whose closing line break does not count', async (t) => {
  const dir = mkdtempSync(join(t.testdir(), 'config-'))
  const file = (name: string, content: string | Buffer) => {
    writeFileSync(join(dir, name), content)
    return join(dir, name)
  }
  const secret = randomBytes(32)
  const config = readConfig({
    JWT_SECRETS_FILE: file('jwt', `${key('k1', secret)}\n`),
    ACCESS_TTL_FILE: file('ttl', '\uFEFF5m\r\n'),
  })
  t.same(config.jwtSecrets?.[0]?.secret, secret)
  t.equal(config.accessTtlSeconds, 300)

  t.match(fault({ PORT: '1', PORT_FILE: file('port', '1') }), { setting: 'PORT', problem: /set twice/ })
  t.equal(
    readConfig({ PORT: '', PORT_FILE: file('port', '81') }).port,
    81,
    'an empty one is not a second one',
  )
  t.match(fault({ PORT_FILE: join(dir, 'none') }), {
    problem: `cannot be read from ${join(dir, 'none')} (ENOENT)`,
  })
  t.match(fault({ PORT_FILE: dir }), { problem: /EISDIR/ })
  t.match(
    fault({ PORT_FILE: file('empty', '\n') }),
    { problem: /empty/ },
    'a mount that failed is no default',
  )
  t.match(fault({ PORT_FILE: file('binary', Buffer.of(0xff, 0xfe)) }), { problem: /cannot be read/ })
  t.match(fault({ PORT_FILE: file('lines', '80\n81\n') }), { problem: /control character/ })
})

t.test('an empty or blank setting is not set', async (t) => {
  const names = describeSettings().map((each) => each.name)
  const empty = Object.fromEntries(
    names.flatMap((name) => [
      [name, ''],
      [`${name}_FILE`, ' '],
    ]),
  )
  t.strictSame({ ...readConfig({ ...empty, RESET_URL: '', JWT_SECRET: '' }) }, { ...readConfig({}) })
  t.equal(readConfig({ PORT: ' 81 ' }).port, 81, 'blanks around a value are cut')
})

t.test('no value may hold a control character or stand in quotes', async (t) => {
  for (const { name } of describeSettings()) {
    for (const text of ['a\0b', 'a\nb', '15m\n', 'a\rb', 'a\tb', 'a\u0085b', 'a\u2028b', '\x1b[2J', '\n']) {
      t.match(fault({ [name]: text }), { setting: name, problem: /control character/ }, name)
    }
    t.match(fault({ [name]: '"x"' }), { setting: name, problem: /quotes/, remedy: /remove/ }, name)
  }
})

t.test('a bare number is no duration, and the message offers one', async (t) => {
  t.match(fault({ REFRESH_GRACE: '30' }), { problem: /no unit/, remedy: 'did you mean 30s?' })
  t.match(fault({ ACCESS_TTL: '900' }), { problem: '= 900 has no unit', remedy: 'did you mean 900s?' })
  t.match(fault({ ACCESS_TTL: '900000' }), { remedy: 'did you mean 900s?' }, 'milliseconds')
  t.match(fault({ ACCESS_TTL: '1' }), { remedy: /add the unit/ })
  for (const text of ['500ms', '1h30m', '15 m', '15M', '1.5h', '-15m', '015m', '1e3s', 'm', '15min', 'P1D']) {
    t.match(fault({ ACCESS_TTL: text }), { setting: 'ACCESS_TTL', problem: /is no length of time/ }, text)
  }
})

t.test('durations and numbers have bounds', async (t) => {
  const outside: [string, string][] = [
    ['ACCESS_TTL', '9s'],
    ['ACCESS_TTL', '25h'],
    ['REFRESH_GRACE', '601s'],
    ['REFRESH_TTL', '3651d'],
    ['UNVERIFIED_TTL', '0s'],
    ['PORT', '65536'],
    ['DATABASE_POOL_MAX', '0'],
    ['PASSWORD_MIN_LENGTH', '7'],
    ['PASSWORD_MIN_LENGTH', '65'],
    ['BCRYPT_COST', '3'],
    ['BCRYPT_COST', '16'],
  ]
  for (const [name, text] of outside) {
    t.match(fault({ [name]: text }), { setting: name, problem: /out of range/ }, `${name}=${text}`)
  }
  for (const text of ['3000.0', '0x10', '1e3', '+1', '-1', '٣', '08']) {
    t.match(fault({ PORT: text }), { problem: /no whole number/ }, text)
  }
  t.equal(readConfig({ BCRYPT_COST: '4' }).bcryptCost, 4)
  t.equal(readConfig({ PORT: '0' }).port, 0)
})

t.test('lifetimes must fit into one another', async (t) => {
  t.match(fault({ REFRESH_IDLE_TTL: '91d' }), {
    setting: 'REFRESH_IDLE_TTL',
    problem: /longer than REFRESH_TTL/,
  })
  t.match(fault({ REFRESH_TTL: '15m' }), { setting: 'ACCESS_TTL', problem: /not shorter/ })
  t.match(fault({ REFRESH_IDLE_TTL: '10m' }), { setting: 'ACCESS_TTL' })
  t.equal(readConfig({ REFRESH_TTL: '7d' }).refreshIdleTtlSeconds, 7 * 86_400, 'a default gives way')
})

t.test('production starts with what it demands', async (t) => {
  const config = readConfig(production)
  t.equal(config.nodeEnv, 'production')
  t.equal(config.host, '127.0.0.1', 'HOST stays what it is')
  t.equal(config.jwtSecrets?.length, 1)
})

t.test('production refuses to start without each setting that it demands', async (t) => {
  const demanded = ['PUBLIC_URL', 'DATABASE_URL', 'JWT_SECRETS', 'SERVER_SECRETS', 'SMTP_URL']
  for (const name of demanded) {
    t.match(
      fault({ ...production, [name]: undefined }),
      { setting: name, problem: /not set, and production/ },
      name,
    )
    t.match(fault({ ...production, [name]: '' }), { setting: name, problem: /not set/ }, `${name} empty`)
  }
  t.same(faulty({ NODE_ENV: 'production' }), demanded)
  t.same(
    describeSettings()
      .filter((each) => each.requiredInProduction)
      .map((each) => each.name),
    demanded,
  )
})

t.test('production refuses what only development may do', async (t) => {
  const refused: Env[] = [
    { PUBLIC_URL: 'http://auth.example.com' },
    { VERIFY_URL: 'http://app.example.com/verify' },
    { RATE_LIMIT: 'off' },
    { BCRYPT_COST: '9' },
  ]
  for (const env of refused) {
    t.same(faulty({ ...production, ...env }), Object.keys(env))
    t.ok(readConfig({ ...env, NODE_ENV: 'test' }), 'elsewhere it is fine')
  }
})

t.test('production refuses the keys of our own tests, which are published with them', async (t) => {
  for (const [name, value] of Object.entries(TEST_SECRETS)) {
    t.match(fault({ ...production, [name]: value }), { setting: name, problem: /tests of Keyturn use/ })
  }
})

t.test('a misspelled environment is no environment', async (t) => {
  for (const text of ['prod', 'Production', 'staging'])
    t.match(fault({ NODE_ENV: text }), { setting: 'NODE_ENV' })
})

t.test('weak and malformed secrets stop the start, and the message does not hold them', async (t) => {
  const good = key('k1')
  const text = (phrase: string) => `k1:${Buffer.from(phrase).toString('base64url')}`
  const weak: [RegExp, string][] = [
    [/no kid/, '1'],
    [/no kid/, 'secret'],
    [/no kid/, 'your-256-bit-secret'],
    [/no kid/, randomBytes(32).toString('base64url')],
    [/0 bytes/, 'k1:'],
    [/31 bytes/, key('k1', randomBytes(31))],
    [/kid/, `:${randomBytes(32).toString('base64url')}`],
    [/kid/, key('k 1')],
    [/kid/, key('k'.repeat(65))],
    [/kid/, key('schlüssel')],
    [/not base64url/, `${good}=`],
    [/not base64url/, `k1:${Buffer.alloc(32, 0xfb).toString('base64')}`],
    [/not base64url/, `${good}:`],
    [/not base64url/, `k1:${'A'.repeat(42)}B`],
    [/hexadecimal/, `k1:${randomBytes(32).toString('hex')}`],
    [/one byte/, key('k1', Buffer.alloc(32))],
    [/one byte/, key('k1', Buffer.alloc(64, 0xaa))],
    [/different bytes/, key('k1', Buffer.from('0001020304050607'.repeat(4), 'hex'))],
    [/counts/, key('k1', Buffer.from(Array.from({ length: 32 }, (_, index) => 128 + index)))],
    [/counts/, key('k1', Buffer.from(Array.from({ length: 48 }, (_, index) => 255 - 5 * index)))],
    [/repeats/, key('k1', Buffer.concat(Array(2).fill(randomBytes(24))))],
    [/different bytes/, `k1:${'9876543210'.repeat(6)}`],
    [/repeats/, `k1:${'kZ3-vQpLxW8_rTnB0cYhJ5sD'.repeat(3)}`],
    [/text/, text('correct horse battery staple, and then some more')],
    [/text/, text('Gartenzwerge wünschen täglich frisches Wasser')],
    [/text/, text('0JqF84JhmKqCPyRbSvDHYSsp6ljwW9NK')],
    [/text/, text('09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7ghijk')],
    [/different bytes|repeats|word/, `k1:${'changeme'.repeat(6)}`],
    [/word/, 'k1:my-super-secret-key-do-not-use-it-in-production0'],
    [/word/, 'k1:ChangeMe_before_you_go_live_or_all_is_lost_in_it'],
    [/example/, 'k1:hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg'],
    [/entries 1 and 2 have the same kid/, `${good},${key('k1')}`],
    [/entries 1 and 2 have the same secret/, `${good},k2:${good.slice(3)}`],
    [/entry 2 is empty/, `${good},`],
    [
      /entry 2 is 16 bytes.*entry 3 is 8 bytes/,
      `${good},${key('k2', randomBytes(16))},${key('k3', randomBytes(8))}`,
    ],
  ]
  for (const name of ['JWT_SECRETS', 'SERVER_SECRETS']) {
    for (const [problem, value] of weak) {
      const { faults, message } = refusal({ [name]: value })
      t.match(faults, [{ setting: name, problem }], `${name}: ${problem}`)
      const parts = value.split(/[:,]/).filter((part) => part.length > 5)
      t.notOk(
        parts.some((part) => message.includes(part)),
        'nothing of the value is printed',
      )
    }
  }
})

t.test('a secret written the wrong way round is not printed as a kid', async (t) => {
  const secret = randomBytes(32).toString('base64url')
  for (const value of [`${secret}:k1`, `${secret}:${secret},${secret}:${secret}`]) {
    t.notOk(refusal({ JWT_SECRETS: value, SERVER_SECRETS: value }).message.includes(secret))
  }
})

t.test('random secrets are accepted, and the first comes first', async (t) => {
  t.doesNotThrow(() => {
    for (let round = 0; round < 5000; round++)
      readConfig({ JWT_SECRETS: key('k1', randomBytes(32 + (round % 40))) })
  })
  const keys = readConfig({ JWT_SECRETS: [key('2026-b'), ` ${key('2026-a')}`].join(',') }).jwtSecrets
  t.same(
    keys?.map(({ kid }) => kid),
    ['2026-b', '2026-a'],
  )
})

t.test('a secret of JWT_SECRETS cannot be one of SERVER_SECRETS', async (t) => {
  const shared = randomBytes(32)
  const env = { JWT_SECRETS: `${key('k1')},${key('k2', shared)}`, SERVER_SECRETS: key('s1', shared) }
  t.match(fault(env), { setting: 'SERVER_SECRETS', problem: /JWT_SECRETS too/ })
  t.ok(readConfig({ JWT_SECRETS: key('same'), SERVER_SECRETS: key('same') }), 'a kid may be in both')
})

t.test('two kids of SERVER_SECRETS that a refresh token cannot tell apart stop the start', async (t) => {
  const byte = (kid: string) => createHash('sha256').update(kid).digest()[0]
  const twin = Array.from({ length: 10_000 }, (_, index) => `t${index}`).find(
    (kid) => byte(kid) === byte('s1'),
  )
  const list = `${key('s1')},${key('other')},${key(twin ?? '')}`
  t.match(fault({ SERVER_SECRETS: list }), { problem: /entries 1 and 3/, remedy: /rename/ })
  t.ok(readConfig({ JWT_SECRETS: list }), 'access tokens carry the whole kid')
})

t.test(
  'SERVICE_CLIENTS takes ids with long secrets, and nothing that a form encoding would change',
  async (t) => {
    const [one, two] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('hex')]
    const clients = readConfig({ SERVICE_CLIENTS: `reports:${one}, billing.eu:${two}` }).serviceClients
    t.same(
      clients.map(({ id, secret }) => [id, secret]),
      [
        ['reports', one],
        ['billing.eu', two],
      ],
    )
    t.notOk(inspect(clients).includes(one) || JSON.stringify(clients).includes(one))
    for (const [problem, value] of [
      [/no id/, one],
      [/id that is not/, `re ports:${one}`],
      [/id that is not/, `:${one}`],
      [/31 characters/, `reports:${one.slice(0, 31)}`],
      [/longer than 256/, `reports:${one.repeat(7)}`],
      [/other characters/, `reports:${one}+/=`],
      [/other characters/, `reports:${one}%41`],
      [/fewer than 10 different/, `reports:${'abc'.repeat(20)}`],
      [/names an id twice/, `reports:${one},reports:${two}`],
      [/one secret/, `reports:${one},billing:${one}`],
    ] as const) {
      t.match(fault({ SERVICE_CLIENTS: value }), { setting: 'SERVICE_CLIENTS', problem }, String(problem))
    }
  },
)

t.test('no message holds the value of a secret setting, whatever is wrong with it', async (t) => {
  const marker = 'Xq7Tz9Lm2Vb4Nc6Rd8Wf'
  const values = [
    marker,
    `k1:${marker}`,
    `${marker}:k1`,
    `http://u:${marker}@h`,
    `postgres://u:${marker}@h/db#`,
    `postgres://u:${marker}%zz@h/db`,
    `smtp://u:${marker}@`,
    `smtp://u:${marker}/x@h`,
    `"${marker}"`,
    `${marker}\n`,
  ]
  const secrets = describeSettings().filter((each) => each.secret)
  t.same(
    secrets.map((each) => each.name),
    ['DATABASE_URL', 'JWT_SECRETS', 'SERVER_SECRETS', 'SMTP_URL', 'SERVICE_CLIENTS'],
  )
  for (const { name } of secrets) {
    for (const value of values) {
      for (const variable of [name, `${name}_FILE`, name.replace('S', ''), `${name}X`]) {
        const wrong = { ...production, [name]: undefined, [variable]: value }
        t.notOk(refusal(wrong).message.includes(marker), `${variable}=${value}`)
      }
    }
  }
  for (const { name } of describeSettings()) {
    for (const value of values.slice(1)) {
      try {
        readConfig({ [name]: value })
      } catch (error) {
        t.notOk(String(error).includes(marker), `${name}=${value}`)
      }
    }
  }
})

t.test('a name that is almost a setting gets "did you mean"', async (t) => {
  const meant: Record<string, string> = {
    JWT_SECRET: 'JWT_SECRETS',
    JWT_SECRET_FILE: 'JWT_SECRETS_FILE',
    SERVER_SECERTS: 'SERVER_SECRETS',
    ACESS_TTL: 'ACCESS_TTL',
    ACCES_TTL: 'ACCESS_TTL',
    ACCESSTTL: 'ACCESS_TTL',
    REFRESH_TLL: 'REFRESH_TTL',
    DATABASE_URI: 'DATABASE_URL',
    DATADIR: 'DATA_DIR',
    EMAIL_FROM: 'MAIL_FROM',
    CORS_ORIGIN: 'CORS_ORIGINS',
    TRUSTED_PROXY: 'TRUST_PROXY',
    RATELIMIT: 'RATE_LIMIT',
    NODE_EVN: 'NODE_ENV',
    SMPT_URL: 'SMTP_URL',
    SERVICE_CLIENT: 'SERVICE_CLIENTS',
    PROFILE_SCHEMA: 'PROFILE_SCHEMA_FILE',
    PROFILE_SCEMA_FILE: 'PROFILE_SCHEMA_FILE',
    PROFILE_CLAIM: 'PROFILE_CLAIMS',
    PAGE_CSS: 'PAGE_CSS_FILE',
  }
  for (const [name, ours] of Object.entries(meant)) {
    t.match(fault({ [name]: 'x' }), { setting: name, expected: ours, remedy: `did you mean ${ours}?` }, name)
  }
})

t.test('names that belong to others are left alone', async (t) => {
  const foreign = `PATH HOME HOSTNAME HOSTS PORTS VHOST GHOST HISTFILE HISTSIZE SHELL SHLVL LANG LC_ALL
    LOGNAME LANGUAGE USER TERM TERM_PROGRAM COLORTERM PWD OLDPWD EDITOR PAGER TZ TMPDIR MAIL MAILTO
    DISPLAY XDG_DATA_DIRS XDG_DATA_HOME XDG_RUNTIME_DIR SSH_AUTH_SOCK DBUS_SESSION_BUS_ADDRESS NO_COLOR
    FORCE_COLOR HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY HTTP_URL SIGNUP_URL REFRESH_URL ACCESS_URL
    RAM_LIMIT PAGE_LIMIT DATABASE_URL_2 REST_API_URL FTP_URL BASE_URL APP_URL API_URL SITE_URL REDIS_URL
    MONGO_URL AMQP_URL DB_URL DB_HOST DB_PORT NODE_OPTIONS NODE_PATH NODE_VERSION NODE_HOME
    NODE_NO_WARNINGS NODE_EXTRA_CA_CERTS NODE_V8_COVERAGE YARN_VERSION NPM_CONFIG_LOGLEVEL NPM_TOKEN
    UV_THREADPOOL_SIZE PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGDATA PGSSLMODE POSTGRES_USER
    POSTGRES_PASSWORD POSTGRES_DB POSTGRES_URL SMTP_HOST SMTP_PORT SMTP_USER SMTP_PASS SMTP_PASSWORD
    SMTP_FROM MAIL_HOST MAIL_PORT MAILGUN_DOMAIN SENDGRID_API_KEY JWT_EXPIRES_IN JWT_KEY JWT_TTL
    SECRET_KEY SECRET_KEY_BASE SERVER_NAME SERVER_PORT SERVER_SOFTWARE SERVICE_NAME REMOTE_ADDR
    RAILS_ENV RACK_ENV APP_ENV VUE_ENV GO_ENV DJANGO_SETTINGS_MODULE JAVA_HOME JAVA_DIR CACHE_DIR
    BASE_DIR META_DIR RUST_LOG RUST_BACKTRACE DEBUG VERBOSE DEBUG_LEVEL CI GITHUB_ACTIONS GITHUB_TOKEN
    GITHUB_REF GIT_DIR DOCKER_HOST KUBERNETES_SERVICE_HOST KUBERNETES_PORT KEYTURN_SERVICE_PORT
    KEYTURN_PORT DYNO WEB_CONCURRENCY HEROKU_APP_NAME FLY_REGION RENDER_EXTERNAL_URL VERCEL_URL
    AWS_REGION AWS_ACCESS_KEY_ID GOOGLE_APPLICATION_CREDENTIALS OTEL_EXPORTER_OTLP_ENDPOINT SENTRY_DSN
    TAP_JOBS TAP_CHILD_ID INIT_CWD COLOR PASSWORD_STORE_DIR SSL_CERT_FILE SSL_CERT_DIR MEMORY_LIMIT
    TIME_LIMIT SYSTEMROOT COMSPEC PROGRAMFILES APPDATA npm_lifecycle_event npm_package_name
    npm_config_cache npm_node_execpath http_proxy _ __CF_USER_TEXT_ENCODING`
  const names = foreign.split(/\s+/)
  t.ok(readConfig(Object.fromEntries(names.map((name) => [name, 'x']))))
  for (const name of Object.keys(process.env)) {
    if (describeSettings().some((each) => name.startsWith(each.name))) continue
    t.doesNotThrow(() => readConfig({ [name]: process.env[name] ?? '' }), name)
  }
})

t.test('METRICS_PORT is a port of its own, or none', async (t) => {
  t.equal(readConfig({ METRICS_PORT: '9090' }).metricsPort, 9090)
  t.equal(readConfig({ METRICS_PORT: '0', PORT: '0' }).metricsPort, 0, 'any free one')
  t.match(fault({ METRICS_PORT: '65536' }), { setting: 'METRICS_PORT', problem: /out of range/ })
  const same = { setting: 'METRICS_PORT', problem: /is PORT too/, expected: 'another port' }
  t.match(fault({ METRICS_PORT: '3000' }), same, 'the default of PORT')
  t.match(fault({ METRICS_PORT: '8080', PORT: '8080' }), same)
})

t.test('PROFILE_SCHEMA_FILE is a file of JSON, and its own name', async (t) => {
  const dir = mkdtempSync(join(t.testdir(), 'config-'))
  const file = (name: string, content: string | Buffer) => {
    writeFileSync(join(dir, name), content)
    return join(dir, name)
  }
  const document = { type: 'object', properties: { city: { type: 'string' } } }
  const path = file('profile.json', JSON.stringify(document))
  t.same(readConfig({ PROFILE_SCHEMA_FILE: path }).profileSchema, { path, document })
  t.same(
    readConfig({ PROFILE_SCHEMA_FILE_FILE: file('path', `${path}\n`) }).profileSchema?.path,
    path,
    'as of every setting, the file form of it holds what it would hold: a path',
  )
  const wrong: [content: string | Buffer, problem: RegExp][] = [
    ['{"type": "object",\n  "properties": {"a" 1}}', /is no JSON at line 2, column 22$/],
    ['{"type": "object"', /is no JSON at line 1, column 18$/],
    ['', /is no JSON/],
    ['type: object', /is no JSON/],
    [Buffer.of(0x7b, 0xff, 0x7d), /cannot be read/],
  ]
  for (const [content, problem] of wrong)
    t.match(fault({ PROFILE_SCHEMA_FILE: file('wrong', content) }), {
      setting: 'PROFILE_SCHEMA_FILE',
      problem,
    })
  t.match(fault({ PROFILE_SCHEMA_FILE: join(dir, 'none') }), { problem: /cannot be read \(ENOENT\)/ })
  t.match(fault({ PROFILE_SCHEMA: '{}' }), { expected: 'PROFILE_SCHEMA_FILE', remedy: /did you mean/ })
  t.same(
    faulty({ PROFILE_SCHEMA_FILE: join(dir, 'none'), PORT: 'x' }),
    ['PORT', 'PROFILE_SCHEMA_FILE'],
    'at once with all other faults',
  )
})

t.test('PROFILE_CLAIMS takes names of fields, each once', async (t) => {
  t.same(readConfig({ PROFILE_CLAIMS: 'organisation_type, city' }).profileClaims, [
    'organisation_type',
    'city',
  ])
  for (const text of ['a b', 'a,,b', 'a,a', 'a;b', '*', '"a"', 'a'.repeat(65), 'a,{}'])
    t.match(fault({ PROFILE_CLAIMS: text }), { setting: 'PROFILE_CLAIMS' }, text)
})

t.test('TRUST_PROXY takes networks and nothing else', async (t) => {
  const refused: [string, RegExp][] = [
    ['true', /no network/],
    ['false', /no network/],
    ['1', /hop count/],
    ['0', /hop count/],
    ['loopback', /no network/],
    ['uniquelocal', /no network/],
    ['proxy.internal', /no network/],
    ['*', /no network/],
    ['10.0.0.1', /no prefix length/],
    ['::1', /no prefix length/],
    ['10.0.0.0/255.0.0.0', /no network/],
    ['10.0.0.0/33', /does not exist/],
    ['10.0.0/8', /no network/],
    ['0.0.0.0/0', /wider/],
    ['128.0.0.0/1', /wider/],
    ['2000::/3', /wider/],
    ['::/0', /IPv4/],
    ['::/64', /IPv4/],
    ['::ffff:0:0/96', /IPv4/],
    ['0:0:0:0:0:FFFF:0:0/96', /IPv4/],
    ['fe80::1%eth0/64', /no network/],
    ['10.0.0.0/8,,fd00::/8', /entry 2 is empty/],
    ['10.0.0.0/8,true', /entry 2 is no network/],
  ]
  for (const [text, problem] of refused)
    t.match(fault({ TRUST_PROXY: text }), { setting: 'TRUST_PROXY', problem }, text)
})

t.test('CORS_ORIGINS takes origins exactly as browsers send them', async (t) => {
  const refused = `* null https://*.example.com https://app.example.com/ https://app.example.com/a
    HTTPS://app.example.com https://App.example.com https://app.example.com:443 app.example.com
    //app.example.com file:// https: data:text/html https://u:p@app.example.com capacitor://localhost/
    https://app.example.com?`
  for (const text of refused.split(/\s+/))
    t.match(fault({ CORS_ORIGINS: text }), { setting: 'CORS_ORIGINS' }, text)
  t.match(fault({ CORS_ORIGINS: 'https://App.example.com/' }), { remedy: 'write https://app.example.com' })
})

t.test('DIALECTS mounts each dialect once, canonical among them', async (t) => {
  const all = 'simplejwt=/authentication/api,canonical=/,authtoken=/api/auth,signup=/auth,knox=/knox'
  t.same(
    readConfig({ DIALECTS: all, EMAIL_VERIFICATION: 'optional' }).dialects.map(
      ({ name, prefix }) => `${name}=${prefix}`,
    ),
    all.split(','),
  )
  t.match(fault({ DIALECTS: 'simplejwt=/a,simplejwt=/b,canonical=/' }), { problem: /mounts simplejwt twice/ })
  t.match(fault({ DIALECTS: 'simplejwt=/a' }), { problem: 'does not mount canonical' })
  t.match(fault({ DIALECTS: 'canonical=/,knoxx=/a' }), { remedy: /one of canonical, authtoken/ })
  const refused = `canonical canonical= canonical=x canonical=/x/ canonical=//x canonical=/a//b
    canonical=/.. canonical=/a/./b canonical=/a?b canonical=/%61 Canonical=/ other=/ /=canonical
    canonical=/,canonical=/x`
  for (const text of refused.split(/\s+/)) t.match(fault({ DIALECTS: text }), { setting: 'DIALECTS' }, text)
})

t.test('a dialect that hands out a token at registration does not start where addresses wait', async (t) => {
  for (const name of ['authtoken', 'signup', 'knox']) {
    const env = { DIALECTS: `canonical=/,${name}=/x` }
    t.match(fault(env), { setting: 'DIALECTS', problem: new RegExp(`mounts ${name}: a token.*required`) })
    for (const EMAIL_VERIFICATION of ['optional', 'off']) t.ok(readConfig({ ...env, EMAIL_VERIFICATION }))
  }
  t.ok(readConfig({ DIALECTS: 'canonical=/,simplejwt=/x' }), 'simplejwt waits as canonical does')
})

t.test('addresses must be what they are for', async (t) => {
  const refused: [string, string][] = [
    ['PUBLIC_URL', 'auth.example.com'],
    ['PUBLIC_URL', '//auth.example.com'],
    ['PUBLIC_URL', 'https:auth.example.com'],
    ['PUBLIC_URL', 'https:\\\\auth.example.com'],
    ['PUBLIC_URL', 'ftp://auth.example.com'],
    ['PUBLIC_URL', 'https://u:p@auth.example.com'],
    ['PUBLIC_URL', 'https://auth.example.com?a'],
    ['PUBLIC_URL', 'https://auth.example.com/#a'],
    ['PUBLIC_URL', 'https://auth.example.com:99999'],
    ['PUBLIC_URL', 'https://auth example.com'],
    ['VERIFY_URL', '/verify'],
    ['VERIFY_URL', 'javascript://x'],
    ['VERIFY_URL', 'https://a.example/%0d%0aBcc:x'],
    ['VERIFY_URL', 'https://a.example/#/verify'],
    ['DATABASE_URL', 'mysql://db/keyturn'],
    ['DATABASE_URL', 'host=db dbname=keyturn'],
    ['DATABASE_URL', 'postgres:///keyturn'],
    ['DATABASE_URL', 'postgres://u:p@/keyturn'],
    ['DATABASE_URL', 'postgres://u:p%@db/keyturn'],
    ['DATABASE_URL', 'postgres://u:p%FF@db/keyturn'],
    ['DATABASE_URL', 'postgres://u:p#q@db/keyturn'],
    ['SMTP_URL', 'mail.example.com:587'],
    ['SMTP_URL', 'smtp://'],
    ['SMTP_URL', 'https://mail.example.com'],
    ['SMTP_URL', 'smtp://mail.example.com/?name=a%0D%0ARCPT'],
    ['HOST', 'http://localhost'],
    ['HOST', 'localhost:3000'],
    ['HOST', '[::1]'],
    ['HOST', '127.0.0.1.1'],
    ['HOST', 'fe80::1%eth0'],
    ['JWT_ISSUER', 'two words'],
    ['JWT_ISSUER', 'no:URI at all'],
    ['JWT_AUDIENCE', 'one,two'],
  ]
  for (const [name, text] of refused) t.match(fault({ [name]: text }), { setting: name }, `${name}=${text}`)
  const taken: [string, string][] = [
    ['DATABASE_URL', 'postgresql:///keyturn?host=/var/run/postgresql'],
    ['DATABASE_URL', 'postgresql://u:p@/keyturn?host=/var/run/postgresql&port=5433'],
    ['DATABASE_URL', 'postgres://u:p%2F%23@[::1]:5432/keyturn?sslmode=verify-full'],
    ['DATABASE_URL', 'postgres://%2Fvar%2Frun/keyturn'],
    ['SMTP_URL', 'smtp://localhost'],
    ['SMTP_URL', 'smtps://u%40example.com:p%25@mail.example.com:465/?pool=true'],
    ['HOST', '::'],
    ['HOST', 'localhost'],
    ['JWT_ISSUER', 'urn:example:keyturn'],
  ]
  for (const [name, text] of taken) t.ok(readConfig({ [name]: text }), `${name}=${text}`)
})

t.test('MAIL_FROM is one address and cannot become two, or a header', async (t) => {
  const refused = [
    'Keyturn',
    '<a@b.example',
    'a@b@c.example',
    'a b@c.example',
    'a@-c.example',
    'A, B <a@b.example>',
    'x@y.example <a@b.example>',
    'A <a@b.example>, B <b@b.example>',
    'A <a@b.example> B',
    'A; <a@b.example>',
    'A\r\nBcc: c@d.example <a@b.example>',
    'a@b.example\nBcc: c@d.example',
  ]
  for (const text of refused) t.match(fault({ MAIL_FROM: text }), { setting: 'MAIL_FROM' }, text)
  for (const text of [
    'a@b.example',
    '<a@b.example>',
    'Die Bücherei Nr. 5 <no-reply+x@b.example>',
    'a@localhost',
  ]) {
    t.equal(readConfig({ MAIL_FROM: text }).mailFrom, text)
  }
})

t.test('outside production PUBLIC_URL is where the service listens', async (t) => {
  t.equal(readConfig({ HOST: 'localhost', PORT: '81' }).publicUrl, 'http://localhost:81')
  t.equal(readConfig({ HOST: '::1' }).publicUrl, 'http://[::1]:3000')
  t.equal(readConfig({ HOST: '0.0.0.0' }).publicUrl, 'http://localhost:3000', 'which a browser can open')
  t.same(
    faulty({ HOST: 'a b', PORT: 'x', REFRESH_TTL: 'x' }),
    ['HOST', 'PORT', 'REFRESH_TTL'],
    'no fault brings others',
  )
  t.same(faulty({ PUBLIC_URL: 'x' }), ['PUBLIC_URL'])
})

t.test('PORT=0 becomes the port that was found, in the URL and the issuer too', async (t) => {
  const found = withPort(readConfig({ PORT: '0' }), 40_123)
  const url = 'http://127.0.0.1:40123'
  t.match(found, { port: 40_123, publicUrl: url, jwtIssuer: url })
  t.ok(Object.isFrozen(found))
  const named = withPort(
    readConfig({ PORT: '0', PUBLIC_URL: 'http://a.example/x', JWT_ISSUER: 'me' }),
    40_123,
  )
  t.match(named, { port: 40_123, publicUrl: 'http://a.example/x', jwtIssuer: 'me' })
})

t.test('a Config is frozen to its depth', async (t) => {
  const config = readConfig({ ...production, CORS_ORIGINS: 'https://a.example' })
  for (const value of [config, config.dialects, config.dialects[0], config.corsOrigins, config.jwtSecrets]) {
    t.ok(Object.isFrozen(value))
  }
  const first = config.jwtSecrets?.[0]
  const before = first?.secret.toString('hex')
  t.throws(() => Object.assign(config, { port: 1 }), TypeError)
  t.throws(() => Object.assign(first ?? {}, { kid: 'x' }), TypeError)
  first?.secret.fill(0)
  t.equal(first?.secret.toString('hex'), before, 'filling the buffer fills a copy')
})

t.test('a Config that is logged shows no secret', async (t) => {
  const config = withPort(readConfig(production), 1)
  const printed = [JSON.stringify(config), inspect(config, { depth: 9 }), `${inspect({ config })}`]
  const keys = [...(config.jwtSecrets ?? []), ...(config.serverSecrets ?? [])]
  printed.push(JSON.stringify(keys), inspect(keys, { depth: 9, showHidden: true }))
  for (const text of printed) {
    t.notOk(text.includes(':pw@'), 'no password of a URL')
    for (const { secret } of keys) {
      t.notOk(text.includes(secret.toString('base64url')) || text.includes(JSON.stringify(secret)))
      t.notMatch(text, /Buffer/)
    }
  }
  t.match(JSON.parse(JSON.stringify(config)), {
    smtpUrl: '[secret]',
    jwtSecrets: '[secret]',
    host: '127.0.0.1',
  })
})
