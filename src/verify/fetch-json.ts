export type Fetch = typeof globalThis.fetch

export interface JsonRequest {
  readonly fetch: Fetch
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutSeconds: number
  /** A longer body is refused before it fills the memory. */
  readonly maxBytes: number
  /** Gives up when it is aborted. */
  readonly signal?: AbortSignal | undefined
}

export interface JsonAnswer {
  readonly headers: Headers
  /** `undefined` for 304. */
  readonly body: unknown
}

/** An answer that is of no use. The message names the place and never quotes what came. */
export class FetchError extends Error {
  override readonly name = 'FetchError'
  /** When the other side wants to be asked again, if it says so. */
  readonly retryAfterSeconds: number | undefined

  constructor(message: string, retryAfterSeconds?: number) {
    super(message)
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/**
 * GET, for JSON with 200, or 304. Redirects are refused: they would take credentials and trust to an address that
 * nobody configured.
 * @throws FetchError, or what `fetch` throws where nobody answers
 */
export async function fetchJson(request: JsonRequest): Promise<JsonAnswer> {
  const { url, timeoutSeconds, signal } = request
  const controller = new AbortController()
  const giveUp = () => controller.abort(signal?.reason)
  const late = () => controller.abort(new FetchError(`${place(url)} gave no answer in ${timeoutSeconds} s`))
  // By hand: AbortSignal.any would leave a trace of each request in a signal that lives as long as the process.
  const timer = setTimeout(late, timeoutSeconds * 1000)
  signal?.addEventListener('abort', giveUp)
  if (signal?.aborted) giveUp()
  try {
    return await ask(request, controller.signal)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', giveUp)
  }
}

async function ask(
  { fetch, url, maxBytes, ...request }: JsonRequest,
  signal: AbortSignal,
): Promise<JsonAnswer> {
  const headers = { accept: 'application/json', ...request.headers }
  const response = await fetch(url, { headers, signal, redirect: 'error' })
  // Only to whoever asked for it: a 304 out of the blue would pass for an answer that nobody has.
  if (response.status === 304 && 'if-none-match' in headers)
    return { headers: response.headers, body: undefined }
  if (response.status !== 200) {
    await response.body?.cancel()
    const words =
      response.status === 401 && 'authorization' in headers
        ? ': check clientId and clientSecret against SERVICE_CLIENTS'
        : ''
    throw new FetchError(`${place(url)} answered ${response.status}${words}`, retryAfter(response.headers))
  }
  const text = await readText(response, maxBytes, url)
  try {
    return { headers: response.headers, body: JSON.parse(text) }
  } catch {
    throw new FetchError(`${place(url)} answered what is no JSON`)
  }
}

async function readText(response: Response, maxBytes: number, url: URL): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new FetchError(`${place(url)} answered more than ${maxBytes} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function retryAfter(headers: Headers): number | undefined {
  const seconds = headers.get('retry-after') ?? ''
  return /^\d{1,6}$/.test(seconds) ? Number(seconds) : undefined
}

function place(url: URL): string {
  return `${url.origin}${url.pathname}`
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/**
 * An address to fetch from. Keys and credentials go by https, except to this machine.
 * @throws TypeError by the name of the option
 */
export function checkedUrl(name: string, value: string | URL, allowPlainHttp: boolean): URL {
  if (!URL.canParse(String(value))) throw new TypeError(`${name}: not a URL`)
  const url = new URL(value)
  if (url.username !== '' || url.password !== '')
    throw new TypeError(`${name}: holds a user name or password`)
  const plain = url.protocol === 'http:' && (allowPlainHttp || LOOPBACK.test(url.hostname))
  if (url.protocol !== 'https:' && !plain)
    throw new TypeError(`${name}: begins with https://, or set allowPlainHttp where the network is your own`)
  return url
}
