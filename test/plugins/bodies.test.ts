import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import { test } from 'tap'
import { Type } from 'typebox'
import { asBodyError, BodyError, bodies } from '../../src/plugins/bodies.ts'
import { convertFields } from '../../src/plugins/form-values.ts'
import { parseMultipart } from '../../src/plugins/multipart.ts'
import { parseStrictForm } from '../../src/plugins/strict-form.ts'
import { parseStrictJson } from '../../src/plugins/strict-json.ts'

const json = 'application/json'
const form = 'application/x-www-form-urlencoded'
const multipart = 'multipart/form-data; boundary=XX'

const strict = { type: 'object', additionalProperties: false } as const
const loginSchema = Type.Object(
  {
    username: Type.String(),
    password: Type.String(),
    remember: Type.Optional(Type.Boolean()),
    age: Type.Optional(Type.Integer()),
    score: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
  },
  strict,
)

/** An app like ours, whose error handler says what it was given; `defects` collects what it could not name. */
async function testApp(): Promise<{ app: FastifyInstance; refusals: BodyError[]; defects: unknown[] }> {
  const refusals: BodyError[] = []
  const defects: unknown[] = []
  const customOptions = {
    coerceTypes: false,
    removeAdditional: false,
    useDefaults: true,
    allErrors: true,
  } as const
  const app = Fastify({ bodyLimit: 16384, ajv: { customOptions } })
  app.setErrorHandler((error, _request, reply) => {
    const refusal = asBodyError(error)
    if (refusal !== undefined) {
      refusals.push(refusal)
      return reply.code(refusal.statusCode).send({ code: refusal.code, detail: refusal.detail })
    }
    if (error instanceof Error && 'validation' in error) {
      return reply.code(400).send({ code: 'invalid', detail: error.message })
    }
    defects.push(error)
    return reply.code(500).send({ code: 'defect', detail: String(error) })
  })
  await app.register(bodies)
  app.all('/echo', async ({ body }) => ({ empty: body === undefined, body }))
  app.post('/login', { schema: { body: loginSchema } }, async ({ body }) => ({ body }))
  const logoutSchema = Type.Object({ refresh: Type.Optional(Type.String()) }, strict)
  app.post('/logout', { schema: { body: logoutSchema } }, async ({ body }) => ({ body }))
  const either = Type.Union([logoutSchema, Type.Object({ token: Type.Optional(Type.String()) }, strict)])
  app.post('/either', { schema: { body: either } }, async ({ body }) => ({ body }))
  app.post('/widgets', { bodyLimit: 65536, schema: { body: Type.Unknown() } }, async ({ body }) => ({ body }))
  return { app, refusals, defects }
}

/** POSTs over `inject`; a `type` of undefined sends no Content-Type. */
async function post(
  app: FastifyInstance,
  url: string,
  type: string | undefined,
  payload?: string | Buffer,
  more = {},
) {
  const headers = { ...(type === undefined ? {} : { 'content-type': type }), ...more }
  const answer = await app.inject({
    method: 'POST',
    url,
    headers,
    ...(payload === undefined ? {} : { payload }),
  })
  return { status: answer.statusCode, headers: answer.headers, ...answer.json() }
}

/** Sends bytes over a socket of its own and returns all that comes back until the server closes it. */
async function exchange(app: FastifyInstance, ...writes: (string | Buffer)[]): Promise<string> {
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  for (const bytes of writes) socket.write(bytes)
  let answer = ''
  for await (const chunk of socket) answer += chunk
  return answer
}

function requestText(type: string | undefined, body: string, headers: string[] = []): string {
  const all = ['POST /echo HTTP/1.1', 'Host: x', 'Connection: close', ...headers]
  if (type !== undefined) all.push(`Content-Type: ${type}`)
  return `${all.join('\r\n')}\r\n\r\n${body}`
}

function part(name: string, value: string, ...headers: string[]): string {
  return rawPart([`Content-Disposition: form-data; name="${name}"`, ...headers], value)
}

function rawPart(headers: string[], value: string): string {
  return `--XX\r\n${headers.join('\r\n')}\r\n\r\n${value}\r\n`
}

const end = '--XX--\r\n'

/** What a parser throws, or a failed assertion where it throws nothing or something else. */
function refusal(read: () => unknown): BodyError {
  try {
    read()
  } catch (error) {
    if (error instanceof BodyError) return error
    throw error
  }
  return assert.fail('accepted')
}

const readJson = (text: string | Uint8Array) => parseStrictJson(Buffer.from(text))
const readMultipart = (text: string | Uint8Array, type = multipart) => parseMultipart(type, Buffer.from(text))
const latin1 = (text: string) => Buffer.from(text, 'latin1')

test('media types', async (t) => {
  const { app } = await testApp()

  t.test('JSON is JSON in any case, with parameters, in UTF-8 by any of its names', async (t) => {
    const types = [
      ' application/json',
      'APPLICATION/JSON',
      `${json};`,
      `${json};charset=utf-8`,
      `${json}; charset="UTF-8"`,
    ]
    for (const type of [...types, `${json} ; charset=utf8`, `${json}; v=1`]) {
      t.match(await post(app, '/login', type, '{"username":"a","password":"b"}'), { status: 200 }, type)
      t.match(
        await post(app, '/login', type, '{"username":1}'),
        { status: 400, code: 'invalid' },
        `${type} is validated`,
      )
    }
  })

  t.test('a type that is not taken is a 415', async (t) => {
    const types = [
      `${json}\ta`,
      `${json} a`,
      `${json},text/plain`,
      'application/vnd.api+json',
      'application/jsonx',
    ]
    for (const type of [
      ...types,
      'junk',
      '',
      'text/plain',
      'application/xml',
      'multipart/mixed; boundary=XX',
      undefined,
    ]) {
      t.match(
        await post(app, '/echo', type, '{}'),
        { status: 415, code: 'unsupported_media_type' },
        `${type}`,
      )
    }
  })

  t.test('a charset other than UTF-8 is a 415 in every encoding', async (t) => {
    const charsets = ['utf-16le', 'iso-8859-1', '"latin1"', "'utf-8'", '', 'utf-8x', 'utf-8; charset=utf-7']
    for (const type of [json, form, multipart, json.toUpperCase()]) {
      for (const charset of charsets) {
        t.match(
          await post(app, '/echo', `${type}; Charset=${charset}`, '{}'),
          { status: 415 },
          `${type} ${charset}`,
        )
      }
    }
  })

  t.test('a compressed body is a 415 that says so, whether really compressed or not', async (t) => {
    for (const coding of ['gzip', 'br', 'identity, gzip', 'x']) {
      for (const payload of [gzipSync('{"a":1}'), '{"a":1}']) {
        const answer = await post(app, '/echo', json, payload, { 'content-encoding': coding })
        t.match(answer, {
          status: 415,
          code: 'unsupported_media_type',
          headers: { 'accept-encoding': 'identity' },
        })
      }
    }
    t.match(await post(app, '/echo', json, '{"a":1}', { 'content-encoding': 'Identity' }), { status: 200 })
  })

  t.test('an unknown path is a 404 whatever its body', async (t) => {
    for (const type of ['application/xml', `${json}; charset=x`]) {
      t.equal((await post(app, '/nowhere', type, '{}')).status, 404)
    }
  })
})

test('no body', async (t) => {
  const { app } = await testApp()
  const types = [undefined, json, form, multipart, 'multipart/form-data', 'application/xml']

  t.test('an empty body reaches a handler without schema as undefined', async (t) => {
    for (const type of types) {
      t.match(await post(app, '/echo', type), { status: 200, empty: true }, `${type}`)
      t.match(await post(app, '/echo', type, ''), { status: 200, empty: true }, `${type}, with a length of 0`)
    }
    t.match(await post(app, '/echo', form, '&&'), { empty: true }, 'a form without fields')
    t.match(await post(app, '/echo', multipart, end), { empty: true }, 'a multipart form without fields')
    t.match(await app.inject({ method: 'DELETE', url: '/echo', headers: { 'content-type': json } }), {
      statusCode: 200,
    })
  })

  t.test(
    'an empty body is fine where every field is optional, and names every field that is not',
    async (t) => {
      for (const type of types) {
        t.match(await post(app, '/logout', type), { status: 200, body: {} }, `${type}`)
        t.match(await post(app, '/either', type), { status: 200, body: {} }, `${type}`)
        const answer = await post(app, '/login', type)
        t.match(answer, { status: 400, code: 'invalid', detail: /username.*password/ }, `${type}`)
      }
    },
  )

  t.test('an empty body where something must be sent, object or not, is a 400 that says so', async (t) => {
    for (const type of types) {
      t.match(await post(app, '/widgets', type), {
        status: 400,
        code: 'malformed_body',
        detail: /needs a body/,
      })
    }
    t.match(await post(app, '/widgets', json, 'null'), { status: 200, body: null }, 'null is something')
  })
})

test('JSON', async (t) => {
  t.test('what cannot be read in one way only is refused, and told why', async (t) => {
    const refused: [string | Buffer, RegExp][] = [
      [latin1('{"a":"\xff"}'), /UTF-8/],
      [latin1('{"a":"\xc0\xaf"}'), /UTF-8/],
      [latin1('{"a":"\xed\xa0\x80"}'), /UTF-8/],
      ['{"a":"b\\u0000"}', /NUL/],
      ['{"\\u0000":1}', /NUL/],
      ['{"a":"b\0"}', /not valid JSON/],
      ['["\\ud800"]', /surrogate/],
      ['["\\udc00"]', /surrogate/],
      ['["\\ud800\\ud800"]', /surrogate/],
      ['["\\uD83D x"]', /surrogate/],
      ['["\\ud83d\\\\udc00"]', /surrogate/],
      ['{"\\ud800":1}', /surrogate/],
      ['{"a":1e999}', /number/],
      ['[-1E+400]', /number/],
      [`[${'9'.repeat(400)}]`, /number/],
      ['{"__proto__":1}', /"__proto__"/],
      ['[[{"a":{"\\u005f_proto__":{}}}]]', /"__proto__"/],
      ['{"constructor":{"prototype":{}}}', /"prototype"/],
      ['{"constructor" : {"a":{}, "prototype":{}}}', /"prototype"/],
      ['{"username":"a","username":"b"}', /"username" twice/],
      ['{"a":1,"b":{"a":2,"x":[{}],"\\u0061":3}}', /"a" twice/],
      ['{"":1,"":2}', /a field twice/],
      [`${'['.repeat(33)}${']'.repeat(33)}`, /32 levels/],
      [`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`, /32 levels/],
      ['{', /not valid JSON/],
      ['{"a":1}x', /not valid JSON/],
      ["{'a':1}", /not valid JSON/],
      [' ', /not valid JSON/],
    ]
    for (const [body, why] of refused) {
      const error = refusal(() => readJson(body))
      t.match(
        error,
        { statusCode: 400, code: 'malformed_body', detail: why, message: why },
        body.toString().slice(0, 50),
      )
    }
  })

  t.test('what only looks like it is accepted', async () => {
    const accepted = [
      '\ufeff{"a":1}',
      '["\\\\u0000", "\\\\ud800", "\\ud83d\\ude00", "\ufffd", "\ufeff"]',
      '{"constructor":1,"prototype":{},"toString":[]}',
      '{"constructor":[{"prototype":1}]}',
      '{"a":{"a":[{"a":"a"},{"a":"a"}]},"A":1,"é":1,"e\u0301":1}',
      '["a","a",{"a":"{\\"a\\":1,\\"a\\":[["}]',
      '[1e308, -0, 1e-999, "1e999"]',
      `${'['.repeat(32)}${']'.repeat(32)}`,
      `[${'[],'.repeat(99)}[]]`,
      'null',
    ]
    for (const text of accepted)
      assert.deepEqual(readJson(text), JSON.parse(text.replace(/^\ufeff/, '')), text.slice(0, 50))
  })

  t.test('a refusal never repeats a value, nor a name that may be a secret', async (t) => {
    const secret = `hunter2!${'x'.repeat(40)}`
    for (const text of [
      `{"${secret}":1,"${secret}":2}`,
      '{"hunter2!":1,"hunter2!":2}',
      `{"a":"${secret}`,
      `["${secret}\\u0000"]`,
      `{"a":"${secret}"}}`,
    ]) {
      t.notMatch(refusal(() => readJson(text)).message, /hunter2/)
    }
  })

  t.test('depth costs nothing: 200,000 levels are refused within 50 ms', async (t) => {
    for (const opening of ['[', '{"a":', '{"a":[']) {
      const bytes = Buffer.from(`{"ok":1,"x":${opening.repeat(200_000)}`)
      t.match(
        refusal(() => readJson(bytes)),
        { statusCode: 400, detail: /32 levels/ },
      )
      t.ok(quickest(() => readJson(bytes)) < 50)
    }
  })

  t.test(
    'any JSON text is refused exactly when some part of it is forbidden, else read as JSON.parse reads it',
    async () => {
      fc.assert(
        fc.property(anyJson, fc.constantFrom('', '\ufeff'), (node, mark) => {
          const read = () => readJson(mark + node.text)
          if (node.forbidden) refusal(read)
          else assert.deepEqual(read(), JSON.parse(node.text))
        }),
        { numRuns: 2000 },
      )
    },
  )

  t.test('damaged JSON is refused, or read as JSON.parse reads it', async () => {
    fc.assert(
      fc.property(anyJson, damage, ({ text }, spoil) => {
        const spoilt = spoil(Buffer.from(text))
        const value = valueOrRefusal(() => readJson(spoilt))
        if (!(value instanceof BodyError)) assert.deepEqual(value, JSON.parse(spoilt.toString()))
      }),
      { numRuns: 2000 },
    )
  })
})

test('url-encoded forms', async (t) => {
  const { app } = await testApp()

  t.test('are read as the URL standard says', async (t) => {
    const text = 'a=1+2%2B3&b&c=&%C3%A9=%F0%9F%98%80&é=x=y&r=%EF%BF%BD%0D%0A&'
    const expected = { a: '1 2+3', b: '', c: '', é: '😀', é2: 'x=y', r: '\ufffd\r\n' }
    t.strictSame({ ...parseStrictForm(text.replace('&é=', '&é2=')) }, expected)
    t.equal(Object.getPrototypeOf(parseStrictForm('a=1')), null)
  })

  t.test('what cannot be read in one way only is refused, and told why', async (t) => {
    const refused: [string | Buffer, number, RegExp][] = [
      ['a=1&a=2', 400, /"a" twice/],
      ['a=1&%61', 400, /"a" twice/],
      ['a=%', 400, /percent/],
      ['a=%zz', 400, /percent/],
      ['%a=1', 400, /percent/],
      ['a=%ff', 400, /percent/],
      ['a=%c0%af', 400, /percent/],
      ['a=%ed%a0%80', 400, /percent/],
      [latin1('a=\xff'), 400, /UTF-8/],
      ['a=x%00y', 400, /NUL/],
      ['a=x\0y', 400, /NUL/],
      ['a%00=y', 400, /NUL/],
      ['=x', 400, /without a name/],
      ['__proto__=x', 400, /not allowed/],
      ['constructor=x', 400, /not allowed/],
      ['toString=x', 400, /not allowed/],
      ['_charset_=utf-8', 400, /not allowed/],
      [`${'n'.repeat(65)}=1`, 413, /64 bytes/],
      [`${'é'.repeat(33)}=1`, 413, /64 bytes/],
      [Array.from({ length: 51 }, (_, i) => `f${i}=1`).join('&'), 413, /50 fields/],
      ['&'.repeat(16000), 413, /50 fields/],
      ['a=1&'.repeat(9000), 413, /larger/],
      ['{"username":"a","password":"hunter2"}', 400, /application\/json/],
    ]
    for (const [body, status, detail] of refused) {
      t.match(await post(app, '/echo', form, body), { status, detail }, body.toString().slice(0, 40))
    }
    t.equal(
      (await post(app, '/echo', form, Array.from({ length: 50 }, (_, i) => `f${i}`).join('&'))).status,
      200,
    )
  })

  t.test('any text is read or refused, and nothing else', async () => {
    const noise = fc.array(
      fc.constantFrom('a', '=', '&', '+', '%', '%4', '%41', '%c3', '%a9', 'é', '\0', '[', '__proto__'),
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          noise.map((pieces) => pieces.join('')),
        ),
        (text) => {
          const fields = valueOrRefusal(() => parseStrictForm(text))
          if (!(fields instanceof BodyError))
            assert.deepEqual({ ...fields }, Object.fromEntries(new URLSearchParams(text)))
        },
      ),
      { numRuns: 2000 },
    )
  })
})

test('multipart forms', async (t) => {
  const { app } = await testApp()

  t.test('are read as every common client sends them', async (t) => {
    const plain = 'Content-Type: text/plain; charset=utf-8'
    const accepted: [string, string, object][] = [
      ['fetch', part('a', '1\r\n2') + part('b', '') + end, { a: '1\r\n2', b: '' }],
      ['no last line break', `${part('a', '1')}--XX--`, { a: '1' }],
      ['a line break first', `\r\n${part('a', '1')}${end}`, { a: '1' }],
      ['.NET', rawPart([plain, 'Content-Disposition: form-data; name=a'], '1') + end, { a: '1' }],
      ['OkHttp', part('a', '1', 'Content-Length: 1', 'Content-Type: text/plain') + end, { a: '1' }],
      ['Dart', part('a', 'é', plain, 'content-transfer-encoding: binary') + end, { a: 'é' }],
      ['a byte order mark is text', part('a', '\ufeffx') + end, { a: '\ufeffx' }],
      ['escaped names', part('a%22%0D%0A%20', '1') + end, { 'a"\r\n%20': '1' }],
      ['dashes', part('a', ' --XX') + part('b', '\n--XX--') + end, { a: ' --XX', b: '\n--XX--' }],
    ]
    for (const [client, text, fields] of accepted) t.strictSame({ ...readMultipart(text) }, fields, client)
    for (const boundary of ['BOUNDARY="X X"', "x=1; boundary=a'()+_,-./:=?z", `boundary=${'b'.repeat(70)}`]) {
      const text = (part('a', '1') + end).replaceAll(
        'XX',
        /"(.*)"|y=(.*)/.exec(boundary)?.slice(1).join('') ?? '',
      )
      t.strictSame({ ...readMultipart(text, `Multipart/Form-Data; ${boundary}`) }, { a: '1' }, boundary)
    }
  })

  t.test('what is cut off, framed wrongly or not plain UTF-8 text is refused, and told why', async (t) => {
    const a = part('a', '1')
    const disposition = 'Content-Disposition: form-data; name="password"'
    const refused: [string | Buffer, number, RegExp][] = [
      [a, 400, /closing boundary/],
      [`${a}--XX`, 400, /closing boundary/],
      [`${a}--XX-`, 400, /closing boundary/],
      [`${a}--XX\r\nConte`, 400, /closing boundary/],
      [`${a}--XX\r\n${disposition}\r\n\r\nhalf`, 400, /closing boundary/],
      [`${a}${end}junk`, 400, /closing boundary/],
      [a + end + part('b', '2') + end, 400, /headers/],
      [`junk\r\n${a}${end}`, 400, /before/],
      [(a + end).replace('XX\r\n', 'XXAA'), 400, /without headers/],
      [(a + end).replace('XX\r\n', 'XX \r\n'), 400, /without headers/],
      [(a + end).replaceAll('\r\n', '\n'), 400, /boundary/],
      [(a + end).replaceAll('XX', 'YY'), 400, /boundary/],
      ['{"a":1}', 400, /boundary/],
      [a + part('a', '2') + end, 400, /"a" twice/],
      [rawPart([`${disposition}; filename="x"`], '1') + end, 400, /file/],
      [rawPart([`${disposition}; filename=""`], '1') + end, 400, /file/],
      [rawPart([`${disposition}; filename*=utf-8''x`], '1') + end, 400, /file/],
      [rawPart([`${disposition}; x="y"`], '1') + end, 400, /Content-Disposition/],
      [rawPart([`${disposition}; name="b"`], '1') + end, 400, /Content-Disposition/],
      [rawPart([disposition, disposition], '1') + end, 400, /same header twice/],
      [rawPart(['Content-Disposition: form-data'], '1') + end, 400, /Content-Disposition/],
      [rawPart(['Content-Disposition: attachment; name="a"'], '1') + end, 400, /Content-Disposition/],
      [rawPart(['Content-Disposition: form-data; name="a\\"b"'], '1') + end, 400, /Content-Disposition/],
      [rawPart(['Content-Disposition: form-data;', ' name="a"'], '1') + end, 400, /header/],
      [rawPart(['X: y'], '1') + end, 400, /Content-Disposition/],
      ['--XX\r\n\r\n1\r\n--XX--', 400, /header/],
      [part('', '1') + end, 400, /without a name/],
      [latin1(part('a', '\xff') + end), 400, /UTF-8/],
      [latin1(part('\xff', '1') + end), 400, /UTF-8/],
      [part('a', '1', 'Content-Type: text/plain; charset=utf-16le') + end, 400, /"a" in another type/],
      [part('a', '1', 'Content-Type: application/json') + end, 400, /"a" in another type/],
      [part('a', '1', 'Content-Type: text/plainer') + end, 400, /"a" in another type/],
      [part('a', 'MQ==', 'Content-Transfer-Encoding: base64') + end, 400, /"a" in a transfer encoding/],
      [part('_charset_', 'utf-16') + end, 400, /not allowed/],
      [part('__proto__', '1') + end, 400, /not allowed/],
      [part('constructor', '1') + end, 400, /not allowed/],
      [part('toString', '1') + end, 400, /not allowed/],
      [part('a', '\0') + end, 400, /NUL/],
      [part('n'.repeat(100), '1') + end, 413, /64 bytes/],
      [part('a', '1', `X: ${'y'.repeat(1100)}`) + end, 413, /1 KiB/],
      [Array.from({ length: 51 }, (_, i) => part(`f${i}`, '1')).join('') + end, 413, /50 fields/],
      [part('password', 'x'.repeat(17000)) + end, 413, /larger/],
    ]
    for (const [body, status, detail] of refused) {
      t.match(await post(app, '/echo', multipart, body), { status, detail }, body.toString().slice(0, 90))
    }
    const most = Array.from({ length: 50 }, (_, i) => part(`f${i}`, '1')).join('') + end
    t.equal((await post(app, '/echo', multipart, most)).status, 200)
  })

  t.test('a boundary that is missing, doubtful or longer than RFC 2046 allows is refused', async (t) => {
    const parameters = [
      '',
      '; boundary',
      '; boundary=',
      '; boundary=""',
      '; boundary=XX; boundary=YY',
      '; boundary="XX "',
    ]
    for (const parameter of [
      ...parameters,
      `; boundary=${'X'.repeat(71)}`,
      '; boundary=X@X',
      '; boundary="X',
    ]) {
      const answer = await post(app, '/echo', `multipart/form-data${parameter}`, part('a', '1') + end)
      t.match(answer, { status: 400, code: 'malformed_body', detail: /boundary/ }, parameter)
    }
  })

  t.test("a damaged body is refused, or means what Node's own parser reads in it", async () => {
    const record = fc.dictionary(fieldName, fieldValue, { minKeys: 1, maxKeys: 4 })
    await fc.assert(
      fc.asyncProperty(record, damage, async (fields, spoil) => {
        const text =
          Object.entries(fields)
            .map(([name, value]) => part(name, value))
            .join('') + end
        const spoilt = spoil(Buffer.from(text))
        const read = valueOrRefusal(() => readMultipart(spoilt))
        if (read instanceof BodyError) return
        const response = new Response(spoilt, { headers: { 'content-type': multipart } })
        const theirs = await response.formData().catch(() => undefined)
        if (theirs !== undefined) assert.deepEqual({ ...read }, Object.fromEntries(theirs))
      }),
      { numRuns: 1000 },
    )
  })
})

test('all encodings alike', async (t) => {
  const { app, defects } = await testApp()

  t.test('the same fields are the same body in every encoding', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fieldName, fieldValue, { minKeys: 1, maxKeys: 12 }), async (fields) => {
        for (const [type, payload] of await inEveryEncoding(fields)) {
          const answer = await post(app, '/echo', type, payload)
          assert.deepEqual(answer.body, { ...fields }, type)
        }
      }),
      { numRuns: 150 },
    )
  })

  t.test('a field named twice is refused in every encoding', async (t) => {
    const twice = [
      [json, '{"username":"a","password":"b","username":"a"}'],
      [form, 'username=a&password=b&username=a'],
      [multipart, part('username', 'a') + part('password', 'b') + part('username', 'a') + end],
    ] as const
    for (const [type, body] of twice) {
      const answer = await post(app, '/login', type, body)
      t.match(answer, { status: 400, code: 'malformed_body', detail: /"username" twice/ }, type)
    }
  })

  t.test(
    'an unknown field and a missing one are refused in every encoding, by the same schema',
    async (t) => {
      for (const [type, payload] of await inEveryEncoding({ username: 'a', is_admin: 'true' })) {
        const answer = await post(app, '/login', type, payload)
        t.match(answer, { status: 400, code: 'invalid', detail: /password.*additional/ }, type)
      }
    },
  )

  t.test('forms give the schema its booleans and numbers; JSON must bring its own', async (t) => {
    const login = { username: '1', password: 'true' }
    const typed = { ...login, remember: 'on', age: '-30', score: '0.5' }
    for (const [type, payload] of (await inEveryEncoding(typed)).slice(1)) {
      const answer = await post(app, '/login', type, payload)
      t.strictSame(answer.body, { ...login, remember: true, age: -30, score: 0.5 }, type)
    }
    for (const inexact of [
      { remember: 'TRUE' },
      { remember: '1' },
      { age: '1.0' },
      { age: '1e3' },
      { score: '' },
    ]) {
      for (const [type, payload] of await inEveryEncoding({ ...login, ...inexact })) {
        t.match(
          await post(app, '/login', type, payload),
          { status: 400, code: 'invalid' },
          `${type} ${payload}`,
        )
      }
    }
    for (const wrong of ['"true"', '"on"', '1', 'null']) {
      const payload = `{"username":"a","password":"b","remember":${wrong}}`
      t.match(await post(app, '/login', json, payload), { status: 400, code: 'invalid' }, payload)
    }
    for (const wrong of ['null', 'true', '123', '["x"]', '{"$ne":""}']) {
      const payload = `{"username":"a","password":${wrong}}`
      t.match(await post(app, '/login', json, payload), { status: 400, code: 'invalid' }, payload)
    }
    for (const wrong of ['[]', '[{"username":"a","password":"b"}]', 'null', '"x"', '7']) {
      t.match(await post(app, '/login', json, wrong), { status: 400, code: 'invalid' }, wrong)
    }
  })

  t.test('a form value is converted only where nothing of it is lost', async (t) => {
    const schema = Type.Intersect([
      Type.Object({ b: Type.Boolean(), i: Type.Integer(), s: Type.Union([Type.String(), Type.Number()]) }),
      Type.Union([Type.Object({ n: Type.Number() }), Type.Object({ m: Type.Unknown() })]),
    ])
    const cases: [string, string, unknown][] = [
      ['b', 'true', true],
      ['b', 'on', true],
      ['b', 'false', false],
      ...['off', 'yes', '1', '', 'True', ' true'].map(
        (text) => ['b', text, text] as [string, string, string],
      ),
      ['i', '0', 0],
      ['i', '-7', -7],
      ['i', '999999999999999', 999999999999999],
      ...['-0', '007', '+1', '1.0', '1e3', '0x1', ' 1', '', '1_0', '٣', '9007199254740993'].map(
        (text) => ['i', text, text] as [string, string, string],
      ),
      ['n', '0.50', 0.5],
      ['n', '-12.25', -12.25],
      ...['.5', '5.', '-0', '-0.0', '1e3', 'NaN', 'Infinity', '1.234567890123456'].map(
        (text) => ['n', text, text] as [string, string, string],
      ),
      ['s', '1', '1'],
      ['m', '1', '1'],
      ['unknown', 'true', 'true'],
    ]
    for (const [name, text, value] of cases) {
      t.strictSame({ ...convertFields(schema, { [name]: text }) }, { [name]: value }, `${name}=${text}`)
    }
  })

  t.test('a body over the limit is a 413 in every encoding, and a route may raise its own', async (t) => {
    for (const [type, payload] of await inEveryEncoding({ a: 'x'.repeat(20_000) })) {
      t.match(await post(app, '/echo', type, payload), { status: 413, code: 'payload_too_large' }, type)
      t.match(await post(app, '/widgets', type, payload), { status: 200 }, `${type}, raised`)
    }
  })

  t.test('any bytes at all are answered by a value or by a BodyError', async () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        valueOrRefusal(() => readJson(bytes))
        valueOrRefusal(() => readMultipart(bytes))
        valueOrRefusal(() => parseStrictForm(Buffer.from(bytes).toString()))
      }),
      { numRuns: 3000 },
    )
  })

  t.test('no body within the largest limit takes longer than 50 ms to read or refuse', async (t) => {
    const fill = (text: string) => text.repeat(Math.ceil(65536 / text.length))
    const hostile: [string, () => unknown][] = [
      ...['"\\', '\\u0061', '1', '1e', '-', '{"a":', '{"a":1},', '{}[],', '"a",', ' ', '\\u0000'].flatMap(
        (text): [string, () => unknown][] => [
          [text, () => readJson(fill(text))],
          [`["${text}`, () => readJson(`["${fill(text)}"]`)],
          [`[${text}`, () => readJson(`[${fill(text)}`)],
        ],
      ),
      ['names', () => readJson(`{${Array.from({ length: 8000 }, (_, i) => `"${i}":0`).join(',')}}`)],
      ...['+', '%41', '&', '=', 'a=1&', '%'].map((text): [string, () => unknown] => [
        text,
        () => parseStrictForm(fill(text)),
      ]),
      ...['--XX', '\r\n', '\r\n--XX', '--XX\r\n', '--XX\r\n\r\n', ' ', 'A: b\r\n'].map(
        (text): [string, () => unknown] => [text, () => readMultipart(`--XX\r\n${fill(text)}\r\n--XX--`)],
      ),
      ...[' ', ';', '; name', '="', '\\"', '; filename'].map((text): [string, () => unknown] => [
        text,
        () => readMultipart(rawPart([`Content-Disposition: form-data${text.repeat(100)}`], '1') + end),
      ]),
      ...['; ', ';a="', ';a=', ' ', '\\', ';boundary=X'].map((text): [string, () => unknown] => [
        text,
        () => readMultipart('x', `multipart/form-data; ${text.repeat(4000)}`),
      ]),
    ]
    for (const [name, read] of hostile) {
      t.ok(quickest(read) < 50, name)
    }
  })

  t.same(defects, [], 'no refusal was a defect')
})

test('over a socket', async (t) => {
  const { app, refusals, defects } = await testApp()
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  const chunked = ['Transfer-Encoding: chunked']

  t.test('a chunked body of nothing is no body, whatever its type', async (t) => {
    for (const type of [undefined, json, form, multipart, 'application/xml']) {
      t.match(
        await exchange(app, requestText(type, '0\r\n\r\n', chunked)),
        /200 OK.*"empty":true/s,
        `${type}`,
      )
    }
  })

  t.test('a chunked body of something is read, or a 415 where its type is unknown or missing', async (t) => {
    const body = '3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'
    t.match(await exchange(app, requestText(json, body, chunked)), /200 OK.*"body":\{"a":1\}/s)
    for (const type of [undefined, 'application/xml', 'text/plain']) {
      t.match(await exchange(app, requestText(type, body, chunked)), /HTTP\/1.1 415/, `${type}`)
    }
  })

  t.test('characters split between two writes are whole again', async (t) => {
    const body = Buffer.from('{"a":"é😀"}')
    const head = requestText(json, '', [`Content-Length: ${body.length}`])
    t.match(await exchange(app, head, body.subarray(0, 7), body.subarray(7, 11), body.subarray(11)), /é😀/)
  })

  t.test('an unknown type is refused before its body is complete', async (t) => {
    const answer = await exchange(app, requestText('application/xml', '<', ['Content-Length: 1000']))
    t.match(answer, /HTTP\/1.1 415.*connection: close/s)
  })

  t.test('a chunked body over the limit is a 413 before its end', async (t) => {
    const body = `5000\r\n${'x'.repeat(0x5000)}\r\n`
    t.match(await exchange(app, requestText(form, body, chunked)), /HTTP\/1.1 413/)
  })

  t.test('a multipart body that stops before its closing boundary is a 400', async (t) => {
    const body = `${part('a', '1')}--XX\r\nContent-Disp`
    t.match(
      await exchange(app, requestText(multipart, body, [`Content-Length: ${body.length}`])),
      /HTTP\/1.1 400/,
    )
  })

  t.test('after a refused coding the same connection serves the next request', async (t) => {
    const first = requestText(json, '{"a":1}', ['Content-Length: 7', 'Content-Encoding: gzip']).replace(
      'close',
      'keep-alive',
    )
    const answer = await exchange(app, first + requestText(json, '{"a":2}', ['Content-Length: 7']))
    t.match(answer, /HTTP\/1.1 415.*HTTP\/1.1 200.*"a":2/s)
  })

  t.test('a client that leaves in the middle of its body is a refusal and no defect', async (t) => {
    for (const type of [json, form, multipart, undefined]) {
      refusals.length = 0
      const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
      // A chunked body without a type waits for its first byte, and so none is sent.
      const started =
        type === undefined ? requestText(type, '', chunked) : requestText(type, '1', ['Content-Length: 9'])
      socket.write(started, () => setTimeout(() => socket.destroy(), 20))
      for (let waits = 0; refusals.length === 0 && waits < 1000; waits += 1)
        await new Promise((r) => setTimeout(r, 5))
      t.match(refusals, [{ statusCode: 400, code: 'malformed_body', detail: /connection broke/ }], `${type}`)
    }
  })

  t.same(defects, [], 'no refusal was a defect')
})

test('asBodyError', async (t) => {
  t.test('knows every body error that Fastify throws, and leaves every other error alone', async (t) => {
    const known = [
      ['FST_ERR_CTP_BODY_TOO_LARGE', 413],
      ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 415],
      ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', 400],
      ['FST_ERR_CTP_EMPTY_JSON_BODY', 400],
      ['FST_ERR_CTP_INVALID_JSON_BODY', 400],
    ] as const
    for (const [code, statusCode] of known) {
      const error = asBodyError(Object.assign(new Error(code), { code }))
      t.ok(error instanceof BodyError)
      t.match(error, { statusCode })
    }
    const own = new BodyError(413, 'x')
    t.equal(asBodyError(own), own)
    const busy = Object.assign(new Error('database'), { code: 'ECONNRESET', statusCode: 503 })
    const others = [busy, undefined, null, 'x', {}, new Error('x'), { code: 'FST_ERR_CTP_BODY_TOO_LARGE' }]
    const lost = Object.assign(new Error('database'), { code: 'ECONNRESET' })
    for (const other of [...others, lost, Object.assign(new Error(), { code: 'FST_ERR_VALIDATION' })]) {
      t.equal(asBodyError(other), undefined)
    }
  })
})

/** A JSON text, and whether it holds something a strict reader must refuse. */
interface JsonText {
  text: string
  forbidden: boolean
}

const jsonString: fc.Arbitrary<JsonText> = fc
  .tuple(
    fc.string({ unit: fc.constantFrom('a', '"', '\\', 'é', '😀', '\n', '{', '\0', '\ud83d', '\ude00') }),
    fc.boolean(),
  )
  .map(([value, escapeAll]) => ({
    text: escapeAll ? `"${escaped(value)}"` : JSON.stringify(value),
    forbidden: value.includes('\0') || hasLoneSurrogate(value),
  }))

const jsonScalar: fc.Arbitrary<JsonText> = fc.oneof(
  jsonString,
  fc
    .constantFrom('true', 'false', 'null', '0', '-0', '1.5e3', '1E-999')
    .map((text) => ({ text, forbidden: false })),
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .map((value) => ({ text: JSON.stringify(value), forbidden: false })),
  fc.constantFrom('1e999', '-1E+309').map((text) => ({ text, forbidden: true })),
)

const jsonName = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'é', '"', '\\'), minLength: 2 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('a', 'b', '', '__proto__', 'constructor', 'prototype', 'a\0', '\udc00'),
  },
)

const anyJson: fc.Arbitrary<JsonText> = fc.letrec<{ node: JsonText }>((tie) => {
  const member = fc.tuple(jsonName, fc.boolean(), tie('node'))
  return {
    node: fc.oneof(
      { maxDepth: 4 },
      jsonScalar,
      fc.array(tie('node'), { maxLength: 4 }).map((items) => ({
        text: `[ ${items.map(({ text }) => text).join(' ,')}]`,
        forbidden: items.some(({ forbidden }) => forbidden),
      })),
      fc.array(member, { maxLength: 4 }).map((members) => ({
        text: `{${members.map(([name, odd, { text }]) => `${odd ? `"${escaped(name)}"` : JSON.stringify(name)}: ${text}`).join(',\n')}}`,
        forbidden:
          members.some(([name, , { text, forbidden }]) => forbidden || isForbiddenMember(name, text)) ||
          new Set(members.map(([name]) => name)).size < members.length,
      })),
    ),
  }
}).node

function isForbiddenMember(name: string, text: string): boolean {
  if (name === '__proto__' || name.includes('\0') || hasLoneSurrogate(name)) return true
  const value: unknown = name === 'constructor' ? JSON.parse(text) : undefined
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype')
}

function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text)
}

function escaped(text: string): string {
  const units = Array.from({ length: text.length }, (_, i) =>
    text.charCodeAt(i).toString(16).padStart(4, '0'),
  )
  return units.map((unit) => `\\u${unit}`).join('')
}

/** One byte range replaced by a few bytes of the kind that parsers trip over. */
const damage = fc
  .tuple(
    fc.nat(),
    fc.nat(6),
    fc.constantFrom('', '', '"', ',', '{', ']', '\\', '\r\n', '-', '--XX', '%', ';', '\0', '\xff', ' '),
  )
  .map(([at, length, insert]) => (bytes: Buffer): Buffer => {
    const from = at % (bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, from), latin1(insert), bytes.subarray(from + length)])
  })

const fieldName = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom('a', 'B', '_', ' ', '\\', ';', '+', '&', '=', 'é', '😀'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
    minLength: 1,
    maxLength: 16,
  })
  .filter((name) => !/[\0\r\n%"]/.test(name) && !(name in Object.prototype) && name !== '_charset_')

// A browser sends every line break of a multipart field as CR LF, and Node's parser drops a leading U+FEFF.
const fieldValue = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom('a', ' ', '+', '%', '&', '=', '-', '"', '\r\n', '{'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
  })
  .map((value) => value.replace(/[\0\ufeff]/g, '').replace(/\r\n|\r|\n/g, '\r\n'))

async function inEveryEncoding(fields: Record<string, string>): Promise<[string, string | Buffer][]> {
  const data = new FormData()
  for (const [name, value] of Object.entries(fields)) data.append(name, value)
  const response = new Response(data)
  return [
    [json, JSON.stringify(fields)],
    [form, new URLSearchParams(fields).toString()],
    [response.headers.get('content-type') ?? '', Buffer.from(await response.arrayBuffer())],
  ]
}

/** What a parser makes of its input, or the refusal it throws; anything else thrown is passed on. */
function valueOrRefusal<T>(read: () => T): T | BodyError {
  try {
    return read()
  } catch (error) {
    if (error instanceof BodyError) return error
    throw error
  }
}

/** Milliseconds of the quickest of three reads, so that a busy machine is not blamed on the parser. */
function quickest(read: () => unknown): number {
  const times = [1, 2, 3].map(() => {
    const before = performance.now()
    valueOrRefusal(read)
    return performance.now() - before
  })
  return Math.min(...times)
}
