import { FormData, request } from 'undici'
import { keepSecret } from './run-log.ts'
import { until } from './until.ts'

/** The three encodings that every POST takes. */
export const ENCODINGS = ['json', 'urlencoded', 'multipart'] as const
export type Encoding = (typeof ENCODINGS)[number]

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // The test that reads it says what it expects.
  readonly body: Record<string, unknown>
}

export interface PostOptions {
  readonly encoding?: Encoding
  readonly headers?: Readonly<Record<string, string>>
}

/** POSTs flat fields in one of the encodings, as a browser or an app would. */
export function post(
  url: string,
  fields: Readonly<Record<string, string>>,
  options: PostOptions = {},
): Promise<Answer> {
  return send('POST', url, fields, options)
}

/** The same by another method. Fields that are no text stay what they are in JSON. */
export async function send(
  method: string,
  url: string,
  fields: Readonly<Record<string, unknown>>,
  { encoding = 'json', headers = {} }: PostOptions = {},
): Promise<Answer> {
  for (const [name, value] of Object.entries(fields)) if (SECRET_FIELDS.test(name)) keepSecret(value)
  return ask(url, { method, ...encode(fields, encoding, headers) })
}

/** What stands in them is nothing for a log. */
const SECRET_FIELDS = /pass|token|refresh|access|secret|email|username/i

/** Asks again for as long as the answer is 503, as that answer says: what came of the first time is not known. */
export async function untilAnswered(ask: () => Promise<Answer>): Promise<Answer> {
  return until('an answer other than 503', async () => {
    const answer = await ask()
    return answer.status !== 503 && answer
  })
}

/** Until the service refuses the access token, of which it may learn a moment later. */
export async function untilRefused({ url }: { readonly url: string }, access: string): Promise<void> {
  await until(
    'the token is refused',
    async () => (await get(`${url}/check-auth-status`, access)).status === 401,
  )
}

/** Until the service says that it is ready. */
export async function untilReady(url: string): Promise<void> {
  await until('the service is ready', async () => (await get(`${url}/health/ready`)).status === 200)
}

/** GETs with an access token, or without one. */
export async function get(url: string, access?: string): Promise<Answer> {
  return ask(url, { method: 'GET', headers: access === undefined ? {} : bearer(access) })
}

export function bearer(access: string): Record<string, string> {
  return { authorization: `Bearer ${access}` }
}

/** A text of an answer, or a loud end where there is none. */
export function text(answer: Answer, name: string): string {
  const value = answer.body[name]
  if (typeof value !== 'string') {
    throw new Error(`no text "${name}" in an answer ${answer.status} with ${Object.keys(answer.body)}`)
  }
  return value
}

function encode(
  fields: Readonly<Record<string, unknown>>,
  encoding: Encoding,
  headers: Record<string, string>,
) {
  switch (encoding) {
    case 'json':
      return { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(fields) }
    case 'urlencoded':
      return {
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: String(new URLSearchParams(texts(fields))),
      }
    case 'multipart': {
      const form = new FormData()
      for (const [name, value] of texts(fields)) form.set(name, value)
      return { headers, body: form }
    }
  }
}

function texts(fields: Readonly<Record<string, unknown>>): [name: string, value: string][] {
  return Object.entries(fields).map(([name, value]) => [name, String(value)])
}

interface Request {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | FormData
}

/** By undici itself: its `fetch` takes more CPU than the service does to answer. */
async function ask(url: string, { headers: own, ...rest }: Request): Promise<Answer> {
  const answer = await request(url, { ...rest, headers: { 'user-agent': 'node', ...own } })
  const headers = new Headers()
  for (const [name, values] of Object.entries(answer.headers)) {
    for (const value of [values].flat()) if (value !== undefined) headers.append(name, value)
  }
  const body = await answer.body.text()
  const isJson = headers.get('content-type')?.includes('json') === true
  return { status: answer.statusCode, headers, body: isJson ? JSON.parse(body) : { text: body } }
}
