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
export async function post(
  url: string,
  fields: Readonly<Record<string, string>>,
  { encoding = 'json', headers = {} }: PostOptions = {},
): Promise<Answer> {
  return read(await fetch(url, { method: 'POST', ...encode(fields, encoding, headers) }))
}

/** GETs with an access token, or without one. */
export async function get(url: string, access?: string): Promise<Answer> {
  return read(await fetch(url, { headers: access === undefined ? {} : bearer(access) }))
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
  fields: Readonly<Record<string, string>>,
  encoding: Encoding,
  headers: Record<string, string>,
) {
  switch (encoding) {
    case 'json':
      return { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(fields) }
    case 'urlencoded':
      return { headers, body: new URLSearchParams(fields) }
    case 'multipart': {
      const form = new FormData()
      for (const [name, value] of Object.entries(fields)) form.set(name, value)
      return { headers, body: form }
    }
  }
}

async function read(response: Response): Promise<Answer> {
  const body = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') === true
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? JSON.parse(body) : { text: body },
  }
}
