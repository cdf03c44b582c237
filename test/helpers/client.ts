import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:http'
import { keepSecret } from './run-log.ts'

// Not `fetch`: by its streams and promises a request cost as much as the service that answered it. An idle connection
// holds neither this process, nor a service that closes.
const agent = new Agent({ keepAlive: true })

/** What `fetch` says of itself, but that it takes compressed answers. */
const OWN_HEADERS = {
  accept: '*/*',
  'accept-language': '*',
  'sec-fetch-mode': 'cors',
  'user-agent': 'node',
}

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
  return ask(method, url, await encode(fields, encoding, headers))
}

/** What stands in them is nothing for a log. */
const SECRET_FIELDS = /pass|token|refresh|access|secret|email|username/i

/** Asks again for as long as the answer is 503, as that answer says: what came of the first time is not known. */
export async function untilAnswered(ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const answer = await ask()
    if (answer.status !== 503) return answer
  }
}

/** GETs with an access token, or without one. */
export function get(url: string, access?: string): Promise<Answer> {
  return ask('GET', url, { headers: access === undefined ? {} : bearer(access) })
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

interface Message {
  readonly headers: Readonly<Record<string, string>>
  /** Bytes as Latin-1, so that headers and body are written at once, and headers as they are. */
  readonly body?: string
}

async function encode(
  fields: Readonly<Record<string, unknown>>,
  encoding: Encoding,
  headers: Readonly<Record<string, string>>,
): Promise<Message> {
  switch (encoding) {
    case 'json':
      return message('application/json', JSON.stringify(fields), headers)
    case 'urlencoded': {
      const type = 'application/x-www-form-urlencoded;charset=UTF-8'
      return message(type, new URLSearchParams(texts(fields)).toString(), headers)
    }
    case 'multipart': {
      const form = new FormData()
      for (const [name, value] of texts(fields)) form.set(name, value)
      const encoded = new Response(form)
      return message(encoded.headers.get('content-type') ?? '', await encoded.text(), headers)
    }
  }
}

function message(type: string, text: string, headers: Readonly<Record<string, string>>): Message {
  const body = Buffer.from(text).toString('latin1')
  return { headers: { 'content-type': type, 'content-length': String(body.length), ...headers }, body }
}

function texts(fields: Readonly<Record<string, unknown>>): [name: string, value: string][] {
  return Object.entries(fields).map(([name, value]) => [name, String(value)])
}

function ask(method: string, url: string, { headers, body }: Message): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, agent, headers: { ...OWN_HEADERS, ...headers } }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () => {
        try {
          resolve(read(method, url, response, Buffer.concat(chunks).toString()))
        } catch (error) {
          reject(error)
        }
      })
    })
    asked.once('error', reject)
    asked.end(body, 'latin1')
  })
}

function read(
  method: string,
  url: string,
  { statusCode = 0, headers, rawHeaders }: IncomingMessage,
  content: string,
): Answer | Promise<Answer> {
  if (headers.location !== undefined && [301, 302, 303, 307, 308].includes(statusCode)) {
    if (method === 'GET') return get(new URL(headers.location, url).href)
    throw new Error(
      `${method} ${new URL(url).pathname} was sent elsewhere: ask by fetch with redirect: 'manual'`,
    )
  }
  return {
    status: statusCode,
    // Few tests ask for them.
    get headers() {
      const pairs = Array.from({ length: rawHeaders.length / 2 }, (_, n) =>
        rawHeaders.slice(2 * n, 2 * n + 2),
      )
      return new Headers(pairs.map(([name = '', value = '']): [string, string] => [name, value]))
    },
    body: headers['content-type']?.includes('json') === true ? JSON.parse(content) : { text: content },
  }
}
