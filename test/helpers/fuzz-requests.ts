import fc from 'fast-check'
import { HOSTILE } from './hostile.ts'

/** As much of a schema as values are drawn from. */
interface Schema {
  readonly type?: string
  readonly maxLength?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly else?: Schema
}

interface DocumentedOperation {
  readonly security?: readonly Readonly<Record<string, unknown>>[]
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
}

/** An OpenAPI document, as far as it is read here. */
export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>
}

/** One method of one path in one type of body, where it takes any. */
export interface Operation extends DocumentedOperation {
  readonly number: number
  readonly name: string
  readonly method: string
  readonly path: string
  readonly type: string | undefined
  readonly schema: Schema
}

export interface FuzzRequest {
  readonly method: string
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | undefined
}

/** Values that mean something to the service, by the name of the field that they are for. */
export type Known = Readonly<Record<string, string>>

/** Each path, method and type of body that the document knows. */
export function operationsOf({ paths }: OpenApi): Operation[] {
  const found = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) => {
      const content = Object.entries(operation.requestBody?.content ?? {})
      const bodies = content.length === 0 ? [[undefined, { schema: {} }] as const] : content
      return bodies.map(([type, { schema }]) => {
        const name = [method.toUpperCase(), path, type].filter((each) => each !== undefined).join(' ')
        return { ...operation, name, method: method.toUpperCase(), path, type, schema }
      })
    }),
  )
  return found.map((operation, number) => ({ ...operation, number }))
}

/** Requests around what the operation asks for: right, nearly right, hostile, of a wrong type, too large, broken. */
export function requestsFor(operation: Operation, known: Known): fc.Arbitrary<FuzzRequest> {
  const { method, path, type, parameters = [] } = operation
  const query = parameters.filter((each) => each.in === 'query')
  const placed = parameters.filter((each) => each.in === 'path')
  return fc.record({
    method: often(fc.constant(method), fc.constantFrom('GET', 'PUT', 'PATCH', 'DELETE', 'POST', 'OPTIONS')),
    target: fc
      .tuple(
        fc.tuple(...placed.map(({ name }) => texts({ maxLength: 60 }, name, known))),
        fc.tuple(...query.map(({ name, schema }) => maybe(parameterOf(name, schema, known)))),
        seldom(
          fc.tuple(fc.constantFrom('id', 'sort', 'fields', 'a[]', '__proto__'), fc.constantFrom(...HOSTILE)),
        ),
      )
      .map(([segments, values, more]) => {
        const at = placed.reduce(
          (url, { name }, i) => url.replace(`{${name}}`, percent(segments[i] ?? '') || '-'),
          path,
        )
        const pairs = query.map(({ name }, i): [string, string | undefined] => [name, values[i]])
        if (more !== undefined) pairs.push(more)
        const asked = pairs.flatMap(([name, value]) =>
          value === undefined ? [] : [`${percent(name)}=${percent(value)}`],
        )
        return asked.length === 0 ? at : `${at}?${asked.join('&')}`
      }),
    headers: fc
      .tuple(
        authorizations(operation, known),
        moreHeaders(known),
        type === undefined ? fc.constant({}) : types(type),
      )
      .map((all): Record<string, string> => Object.assign({}, ...all)),
    body: type === undefined ? fc.constant(undefined) : bodies(operation, type, known),
  })
}

const often = <T>(usual: fc.Arbitrary<T>, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: other })
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 })
const seldom = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 7, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value })

/** A held question would be answered late on purpose. */
function parameterOf(name: string, schema: Schema, known: Known): fc.Arbitrary<string> {
  if (name === 'wait') return fc.constantFrom('0', '-1', '', 'x', '31', '1e1', '0.5', '99999999999')
  return often(texts(schema, name, known), fc.integer().map(String))
}

function texts({ maxLength = 200 }: Schema, name: string, known: Known): fc.Arbitrary<string> {
  const meant = known[name]
  const any = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...HOSTILE) },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
    { weight: 2, arbitrary: fc.string({ maxLength: Math.min(maxLength, 60) }) },
    { weight: 1, arbitrary: fc.constantFrom('x'.repeat(maxLength), 'x'.repeat(maxLength + 1)) },
    { weight: 1, arbitrary: fc.constantFrom(...Object.values(known)) },
  )
  if (meant === undefined) return any
  const nearly = fc
    .tuple(fc.nat(meant.length), fc.constantFrom('', 'A', '=', ' ', '\0', '\u0301', '.'))
    .map(([at, more]) => meant.slice(0, at) + more + meant.slice(at + 1))
  return fc.oneof(
    { weight: 5, arbitrary: fc.constant(meant) },
    { weight: 2, arbitrary: nearly },
    { weight: 3, arbitrary: any },
  )
}

const wrong: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, false, 0, -1, 1e308, 2 ** 53, [], {}, [null], ['x'], { $ne: '' }),
  fc.constant('x'.repeat(17_000)),
  fc.nat(40).map((depth) => JSON.parse('['.repeat(depth + 1) + ']'.repeat(depth + 1))),
  fc.jsonValue({ maxDepth: 3 }),
)

export type Field = readonly [name: string, value: unknown]

function fields({ schema }: Operation, known: Known): fc.Arbitrary<Field[]> {
  const required = new Set([...(schema.required ?? []), ...(schema.else?.required ?? [])])
  const stated = Object.entries(schema.properties ?? {}).map(
    ([name, each]): fc.Arbitrary<Field | undefined> => {
      const value = often(texts(each, name, known) as fc.Arbitrary<unknown>, wrong)
      const field = value.map((given): Field => [name, given])
      return required.has(name)
        ? often(field as fc.Arbitrary<Field | undefined>, fc.constant(undefined))
        : maybe(field)
    },
  )
  const names = [
    'is_admin',
    'roles',
    'id',
    '__proto__',
    'constructor',
    'password_hash',
    'city',
    '',
    '\0',
    'a.b',
    'a[]',
  ]
  const unknown = fc.tuple(
    often(fc.constantFrom(...names, ...Object.keys(known)), fc.string({ unit: 'binary', maxLength: 20 })),
    fc.oneof(fc.constantFrom<unknown>(...HOSTILE), wrong),
  )
  return fc
    .tuple(fc.tuple(...stated), seldom(unknown))
    .map(([given, more]) => [...given, more].filter((each): each is Field => each !== undefined))
}

const BOUNDARY = 'a-boundary'

function bodies(operation: Operation, type: string, known: Known): fc.Arbitrary<Buffer> {
  const whole = fields(operation, known).map((given) => written(given, type))
  const damage = fc.tuple(fc.nat(), fc.uint8Array({ maxLength: 4 }), fc.nat(3))
  return fc.tuple(whole, seldom(damage)).map(([body, hurt]) => {
    if (hurt === undefined) return body
    const [place, bytes, cut] = hurt
    const at = place % (body.length + 1)
    return Buffer.concat([body.subarray(0, at), bytes, cut === 3 ? Buffer.alloc(0) : body.subarray(at + cut)])
  })
}

/** By hand, so that a name may stand twice, and nothing is mended on the way. */
export function written(given: readonly Field[], type: string): Buffer {
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
  switch (type) {
    case 'application/json':
      return Buffer.from(
        `{${given.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join()}}`,
      )
    case 'multipart/form-data': {
      const head = (name: string) => `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`
      const parts = given.flatMap(([name, value]) => [utf8(head(name)), utf8(text(value)), utf8('\r\n')])
      return Buffer.concat([...parts, utf8(`--${BOUNDARY}--\r\n`)])
    }
    default:
      return utf8(given.map(([name, value]) => `${percent(name)}=${percent(text(value))}`).join('&'))
  }
}

/** What `written` makes, named as a client would. */
export function contentType(type: string): string {
  return type === 'multipart/form-data' ? `${type}; boundary=${BOUNDARY}` : type
}

/** UTF-8 in which half a surrogate pair stands as the three bytes that no decoder may take. */
function utf8(text: string): Buffer {
  const half = /(?<![\ud800-\udbff])[\udc00-\udfff]|[\ud800-\udbff](?![\udc00-\udfff])/
  if (!half.test(text)) return Buffer.from(text)
  return Buffer.concat(
    Array.from(text, (character) => {
      const code = character.codePointAt(0) ?? 0
      if (code < 0xd800 || code > 0xdfff) return Buffer.from(character)
      return Buffer.from([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)])
    }),
  )
}

function percent(text: string): string {
  const bytes = utf8(text).toString('latin1')
  return bytes.replace(/[^\w.~-]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

function types(type: string): fc.Arbitrary<Record<string, string>> {
  const right = contentType(type)
  const others = [
    'application/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'text/plain',
    'junk',
    '',
  ]
  const nearly = [
    right.toUpperCase(),
    `${right}; charset=utf-8`,
    `${right}; charset=utf-16`,
    ` ${right}`,
    `${right},x`,
  ]
  return often(
    fc.constant({ 'content-type': right }),
    fc.constantFrom(...others, ...nearly).map((each): Record<string, string> => ({ 'content-type': each })),
  ) as fc.Arbitrary<Record<string, string>>
}

function authorizations({ security = [] }: Operation, known: Known): fc.Arbitrary<Record<string, string>> {
  const { bearer = '', token = '', service = '' } = known
  const wanted = Object.keys(security[0] ?? {})[0]
  const right = wanted === 'service' ? service : wanted === 'token' ? token : bearer
  const wrongs = [
    '',
    'Bearer',
    'Bearer x.y.z',
    `Bearer ${known['refresh']}`,
    `${right}x`,
    'Basic x',
    'Basic Og==',
    service,
    bearer,
  ]
  const sent = fc.constantFrom(...wrongs).map((authorization): Record<string, string> => ({ authorization }))
  if (wanted !== undefined)
    return fc.oneof(
      { weight: 5, arbitrary: fc.constant({ authorization: right }) },
      { weight: 1, arbitrary: sent },
    ) as fc.Arbitrary<Record<string, string>>
  return fc.oneof({ weight: 7, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: sent }) as fc.Arbitrary<
    Record<string, string>
  >
}

/** Headers that the service reads, or that something before it would. Node sends none with a control character. */
function moreHeaders(known: Known): fc.Arbitrary<Record<string, string>> {
  const hostile = HOSTILE.map((each) => each.replace(/[^\t\x20-\x7e\x80-\xff]/g, '')).filter(
    (each) => each !== '',
  )
  const names = [
    'idempotency-key',
    'user-agent',
    'x-forwarded-for',
    'x-request-id',
    'cookie',
    'if-none-match',
    'accept',
    'accept-encoding',
  ]
  const more = [
    'origin',
    'sec-fetch-site',
    'x-http-method-override',
    'forwarded',
    'range',
    'content-encoding',
    'traceparent',
  ]
  const pair = fc.tuple(
    fc.constantFrom(...names, ...more),
    fc.constantFrom(...hostile, 'text/html', 'null', known['refresh'] ?? ''),
  )
  return fc.array(pair, { maxLength: 2 }).map((pairs) => Object.fromEntries(pairs))
}
