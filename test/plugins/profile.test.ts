import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import t from 'tap'
import type { Profile } from '../../src/core/ports.ts'
import { ProfileSchemaError, readProfileSchema } from '../../src/plugins/profile-schema.ts'
import { plain } from '../../tools/plain.mjs'
import { register, signedIn, signIn, somebody, verificationToken } from '../helpers/accounts.ts'
import { startApp, TEST_SECRETS } from '../helpers/app.ts'
import { bearer, ENCODINGS, get, post, send } from '../helpers/client.ts'

const SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  required: ['organisation_type'],
  properties: {
    organisation_type: {
      type: 'string',
      enum: ['charity', 'company', 'school'],
      description: 'What kind of organisation you belong to',
      'x-aliases': ['organizationType', 'organisationType'],
      'x-claim': true,
    },
    age: { type: 'integer', minimum: 16, maximum: 150 },
    height: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 3, multipleOf: 0.25 },
    newsletter: { type: 'boolean' },
    nick: {
      type: 'string',
      minLength: 3,
      maxLength: 10,
      pattern: '^[a-z]+$',
      description: 'Use small letters.',
    },
    bio: { type: 'string', minLength: 1 },
    site: { type: 'string', format: 'uri' },
    contact: { type: 'string', format: 'email' },
    born: { type: 'string', format: 'date' },
    code: { anyOf: [{ type: 'string', pattern: '^[A-Z]{2}$' }, { type: 'integer' }] },
    terms: { const: true },
  },
  dependentRequired: { contact: ['nick'] },
  additionalProperties: false,
}

const read = (schema: unknown, claimNames: readonly string[] = []) =>
  readProfileSchema(schema, '/etc/profile.json', claimNames)

function schemaFile(t: { testdir(): string }, schema: unknown): string {
  const path = join(mkdtempSync(join(t.testdir(), 'profile-')), 'profile.json')
  writeFileSync(path, JSON.stringify(schema))
  return path
}

t.test('each field is told what is wrong with it, in words', (t) => {
  const { rules } = read(SCHEMA)
  const charity = { organisation_type: 'charity' }
  const wrong: [profile: Profile, field: string, message: string][] = [
    [{}, 'organisation_type', 'This field is required.'],
    [{ organisation_type: 'bank' }, 'organisation_type', 'Select a valid choice: charity, company, school.'],
    [{ organisation_type: 1 }, 'organisation_type', 'Not a valid string.'],
    [{ ...charity, age: '18' }, 'age', 'A valid integer is required.'],
    [{ ...charity, age: 17.5 }, 'age', 'A valid integer is required.'],
    [{ ...charity, age: 15 }, 'age', 'Ensure this value is greater than or equal to 16.'],
    [{ ...charity, age: 151 }, 'age', 'Ensure this value is less than or equal to 150.'],
    [{ ...charity, height: 0 }, 'height', 'Ensure this value is greater than 0.'],
    [{ ...charity, height: 3 }, 'height', 'Ensure this value is less than 3.'],
    [{ ...charity, height: 1.8 }, 'height', 'Ensure this value is a multiple of 0.25.'],
    [{ ...charity, height: '1' }, 'height', 'A valid number is required.'],
    [{ ...charity, newsletter: 'yes' }, 'newsletter', 'Must be a valid boolean.'],
    [{ ...charity, nick: 'ab' }, 'nick', 'Ensure this field has at least 3 characters.'],
    [{ ...charity, nick: 'abcdefghijk' }, 'nick', 'Ensure this field has no more than 10 characters.'],
    [
      { ...charity, nick: 'Abc' },
      'nick',
      'This value does not match the required pattern. Use small letters.',
    ],
    [{ ...charity, bio: '' }, 'bio', 'This field may not be blank.'],
    [{ ...charity, site: 'nowhere' }, 'site', 'Enter a valid URL.'],
    [{ ...charity, contact: 'x', nick: 'abc' }, 'contact', 'Enter a valid email address.'],
    [
      { ...charity, born: '1.1.2000' },
      'born',
      'Date has wrong format. Use one of these formats instead: YYYY-MM-DD.',
    ],
    [{ ...charity, contact: 'a@b.example' }, 'nick', 'This field is required.'],
    [{ ...charity, code: 'abc' }, 'code', 'This value is not valid.'],
    [{ ...charity, code: true }, 'code', 'Not a valid value: send text or a whole number.'],
    [{ ...charity, terms: false }, 'terms', 'This value must be true.'],
    [{ ...charity, colour: 'red' }, 'colour', 'This field is not known here. Remove it.'],
    [{ ...charity, isAdmin: true }, 'isAdmin', 'This name is reserved and cannot be a profile field.'],
    [
      { ...charity, organizationType: 'school' },
      'organizationType',
      'This is another name of organisation_type. Send one of them.',
    ],
  ]
  for (const [profile, field, message] of wrong)
    t.same(rules.faults(rules.normalize(profile)), { [field]: [message] }, JSON.stringify(profile))
  t.same(
    Object.keys(rules.faults({ age: 1, nick: 'A', colour: 'red' })).sort(),
    ['age', 'colour', 'nick', 'organisation_type'],
    'all at once',
  )
  const right = {
    age: 16,
    height: 1.75,
    newsletter: true,
    nick: 'abc',
    site: 'https://a.example',
    code: 'DE',
    terms: true,
  }
  t.same(rules.faults({ ...charity, ...right }), {})
  t.end()
})

t.test('an alias is the field that it stands for', (t) => {
  const { rules } = read(SCHEMA)
  for (const name of ['organizationType', 'organisationType', 'organisation_type']) {
    const profile = rules.normalize({ age: 20, [name]: 'school' })
    t.same(profile, { age: 20, organisation_type: 'school' })
    t.same(rules.faults(profile), {})
  }
  const two = rules.normalize({ organizationType: 'school', organisationType: 'charity' })
  t.match(rules.faults(two), { organisationType: [/another name of organisation_type/] })
  t.end()
})

t.test('a schema that cannot be used stops the start, with the file, the place and the reason', (t) => {
  const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more })
  const wrong: [schema: unknown, message: RegExp, claims?: readonly string[]][] = [
    [[], /\/etc\/profile\.json: is no JSON object/],
    ['object', /is no JSON object/],
    [{}, /expected "type": "object" and "properties"/],
    [{ type: 'array', items: {} }, /expected "type": "object"/],
    [object({ age: { type: 'integr' } }), /at properties\/age: schema is invalid/],
    [object({ age: { type: 'integer', minium: 3 } }), /at properties\/age: .*unknown keyword: "minium"/],
    [object({ age: { maxLength: 3 } }), /at properties\/age: .*missing type "string"/],
    [
      object({ site: { type: 'string', format: 'url-ish' } }),
      /at properties\/site: unknown format "url-ish"/,
    ],
    [object({ nick: { type: 'string', pattern: '(' } }), /at properties\/nick: Invalid regular expression/],
    [
      object({ a: { $ref: 'https://evil.example/schema.json' } }),
      /at properties\/a: can't resolve reference/,
    ],
    [object({ a: { type: 'string' } }, { required: ['b'] }), /required property "b" is not defined/],
    [object({ a: { type: 'object' } }), /at properties\/a\/type: .*never object/],
    [object({ a: { type: ['string', 'null'] } }), /at properties\/a\/type: .*never null/],
    [object({ is_admin: { type: 'boolean' } }), /at properties\/is_admin: this name is reserved/],
    [object({ isAdmin: { type: 'boolean' } }), /at properties\/isAdmin: this name is reserved/],
    [object({ sub: true }), /at properties\/sub: this name is reserved/],
    [object({ wifi_password: { type: 'string' } }), /reserved/],
    [
      object({ a: { type: 'string', 'x-aliases': 'b' } }),
      /at properties\/a: keyword "x-aliases" value is invalid/,
    ],
    [
      object({ a: { type: 'string', 'x-aliases': ['isAdmin'] } }),
      /at properties\/a\/x-aliases: "isAdmin" is reserved/,
    ],
    [
      object({ a: { type: 'string', 'x-aliases': ['b'] }, b: { type: 'string' } }),
      /at properties\/a\/x-aliases: "b" is the name of another field/,
    ],
    [
      object({ a: { type: 'string', 'x-aliases': ['c'] }, b: { type: 'string', 'x-aliases': ['c'] } }),
      /at properties\/b\/x-aliases: "c" is the name of another field/,
    ],
    [object({ a: { type: 'string', 'x-claim': 'yes' } }), /x-claim/],
    [object({}, { 'x-claim': true }), /"x-claim" at # does nothing/],
    [object({ a: { type: 'string' } }), /at properties: there is no "b", which PROFILE_CLAIMS names/, ['b']],
    [
      object({}, { $schema: 'http://json-schema.org/draft-04/schema#' }),
      /at \$schema: expected draft 2020-12/,
    ],
    [object({}, { $async: true }), /\$async: is not allowed/],
  ]
  for (const [schema, message, claims] of wrong) {
    t.throws(() => read(schema, claims), ProfileSchemaError, JSON.stringify(schema))
    t.throws(() => read(schema, claims), {
      message: /^Keyturn does not start: PROFILE_SCHEMA_FILE \/etc\/profile\.json/,
    })
    t.throws(() => read(schema, claims), { message })
  }
  const { dependentRequired, ...rest } = SCHEMA
  const { rules } = read({
    ...rest,
    $schema: 'http://json-schema.org/draft-07/schema#',
    dependencies: dependentRequired,
  })
  t.match(
    rules.faults({ organisation_type: 'school', contact: 'a@b.example' }),
    { nick: [/required/] },
    'draft-07',
  )
  t.ok(read(object({ a: { $ref: '#/$defs/a' } }, { $defs: { a: { type: 'string' } } })))
  t.end()
})

t.test('the process ends with status 78 where the schema is wrong, before it listens', async (t) => {
  const start = async (settings: Record<string, string>) => {
    const child = spawn(process.execPath, [plain('src/server.ts')], {
      env: {
        PATH: process.env['PATH'],
        PORT: '0',
        BCRYPT_COST: '4',
        DATABASE_URL: process.env['TEST_DATABASE_URL'],
        ...TEST_SECRETS,
        ...settings,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    let printed = ''
    child.stderr.setEncoding('utf8').on('data', (text) => (printed += text))
    const [status] = await once(child, 'exit')
    return { status, printed }
  }
  const path = schemaFile(t, { type: 'object', properties: { is_admin: { type: 'boolean' } } })
  const reserved = await start({ PROFILE_SCHEMA_FILE: path })
  t.match(reserved, {
    status: 78,
    printed: /PROFILE_SCHEMA_FILE .*profile\.json, at properties\/is_admin: .*reserved/,
  })
  t.equal(reserved.printed.split('\n').length, 2, 'one line')
  t.match(await start({ PROFILE_CLAIMS: 'roles' }), { status: 78, printed: /PROFILE_CLAIMS names "roles"/ })
})

t.test('over the wire: aliases, forms with types, required fields, claims in the token', async (t) => {
  const service = await startApp(t, {
    PROFILE_SCHEMA_FILE: schemaFile(t, SCHEMA),
    PROFILE_CLAIMS: 'age,newsletter',
  })
  for (const encoding of ENCODINGS) {
    await t.test(encoding, async (t) => {
      const person = somebody()
      const missing = await post(`${service.url}/register`, { ...person }, { encoding })
      t.match(missing, { status: 400, body: { errors: { organisation_type: ['This field is required.'] } } })

      const values = { age: 20, newsletter: true, height: 1.75 }
      const sent = encoding === 'json' ? values : { age: '20', newsletter: 'on', height: '1.75' }
      const fields = { ...person, organizationType: 'charity', ...sent }
      const registered = await send('POST', `${service.url}/register`, fields, { encoding })
      t.match(registered, { status: 201 })
      t.strictSame(registered.body['profile'], { ...values, organisation_type: 'charity' })

      await post(`${service.url}/verify-email`, { token: await verificationToken(service, person.email) })
      const { access } = await signIn(service, person)
      const claims = decodeJwt(access)
      t.match(claims, { organisation_type: 'charity', age: 20, newsletter: true, username: person.username })
      t.notOk('height' in claims)
      t.equal(Object.keys(claims).at(-1), 'own', 'the mark of Keyturn covers them all')
      t.equal((await get(`${service.url}/check-auth-status`, access)).status, 200)

      const edited = await send(
        'PATCH',
        `${service.url}/user`,
        { organisationType: 'school', age: encoding === 'json' ? 21 : '21' },
        { encoding, headers: bearer(access) },
      )
      t.strictSame(edited.body['profile'], { ...values, age: 21, organisation_type: 'school' })
      t.match(decodeJwt((await signIn(service, person)).access), { organisation_type: 'school', age: 21 })

      const replaced = await send(
        'PUT',
        `${service.url}/user`,
        { nick: 'abc' },
        { encoding, headers: bearer(access) },
      )
      t.match(replaced, { status: 400, body: { errors: { organisation_type: ['This field is required.'] } } })
    })
  }

  await t.test('JSON is never converted', async (t) => {
    const fields = { ...somebody(), organisation_type: 'charity', age: '20' }
    t.match(await send('POST', `${service.url}/register`, fields), {
      status: 400,
      body: { errors: { age: ['A valid integer is required.'] } },
    })
  })

  await t.test('OPTIONS and the OpenAPI document know the fields', async (t) => {
    const options = await fetch(`${service.url}/register`, { method: 'OPTIONS' })
    t.match(await options.json(), {
      actions: {
        POST: {
          username: { type: 'string', required: true },
          age: { type: 'integer', required: false },
          organisation_type: { help_text: 'What kind of organisation you belong to' },
        },
      },
    })
    const document = JSON.stringify((await get(`${service.url}/openapi.json`)).body)
    t.match(document, /organizationType/)
    t.notMatch(document, /x-aliases|x-claim/)
  })
})

t.test(
  'what was kept under older rules stays readable, and its owner may change what else there is',
  async (t) => {
    const before = await startApp(t)
    const person = await register(before)
    await send(
      'PATCH',
      `${before.url}/user`,
      { age: 'very', bio: 'x'.repeat(3000) },
      {
        headers: bearer((await signIn(before, person)).access),
      },
    )
    const after = await startApp(
      t,
      { PROFILE_SCHEMA_FILE: schemaFile(t, SCHEMA), PROFILE_CLAIMS: 'age,bio' },
      { beside: before },
    )
    const { access } = await signIn(after, person)
    t.match(decodeJwt(access), { age: 'very', bio: undefined }, 'what a token has no room for is left out')
    t.equal((await get(`${after.url}/check-auth-status`, access)).status, 200)
    t.match((await get(`${after.url}/user`, access)).body, { profile: { age: 'very' } })
    const edit = (fields: object) =>
      send('PATCH', `${after.url}/user`, { ...fields }, { headers: bearer(access) })
    t.match(await edit({ first_name: 'Ada' }), { status: 200, body: { first_name: 'Ada' } })
    t.match(await edit({ newsletter: true }), {
      status: 400,
      body: { errors: { organisation_type: [/required/], age: [/integer/] } },
    })
  },
)

t.test('no profile field becomes a claim of ours, whatever the row holds', async (t) => {
  const service = await startApp(t, { PROFILE_CLAIMS: 'city,1' })
  const person = await signedIn(service)
  await service.app.database.pool.query('UPDATE users SET profile = $1 WHERE username = $2', [
    { city: 'Rom', 1: 'one', sub: '1', is_admin: true, roles: 'admin', exp: 9e9, own: 'x', iss: 'evil' },
    person.username,
  ])
  const { access } = await signIn(service, person)
  const claims = decodeJwt(access)
  t.match(claims, { city: 'Rom', 1: 'one', roles: [], iss: 'http://keyturn.test' })
  t.notOk('is_admin' in claims)
  t.ok((claims.exp ?? 0) < 9e9)
  t.equal(
    (await get(`${service.url}/check-auth-status`, access)).status,
    200,
    'and Keyturn obeys its own token',
  )
})
