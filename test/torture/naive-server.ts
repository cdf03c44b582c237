import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import { createServer } from 'node:http'

/** Every refresh token of a sign-in belongs to its family; whoever brings one that was used ends all of them. */
interface Family {
  current: string
  rotatedAt: number
  isRevoked: boolean
}

const IDLE_TTL_MS = 30 * 24 * 3600 * 1000
const ACCESS_TTL_SECONDS = 900

/**
 * What most services do: a refresh token is good once, and its second use is a theft (RFC 9700, 4.14.2); or, so that
 * nobody is logged out, a used one is good for ever. The driver must find the honest clients that the first logs
 * out, and the thieves that the second keeps. In memory, without passwords.
 */
export function createNaiveServer(onReuse: 'revoke' | 'forgive' = 'revoke'): Server {
  const families = new Map<string, Family>()

  function grant(family: Family, now: number) {
    family.current = randomUUID()
    family.rotatedAt = now
    families.set(family.current, family)
    return [200, { refresh: family.current, access: randomUUID(), expires_in: ACCESS_TTL_SECONDS }] as const
  }

  function refresh(token: string, now: number) {
    const family = families.get(token)
    if (family === undefined || family.isRevoked) return [401, { code: 'invalid' }] as const
    if (now - family.rotatedAt >= IDLE_TTL_MS) return [401, { code: 'expired' }] as const
    if (family.current === token || onReuse === 'forgive') return grant(family, now)
    family.isRevoked = true
    return [401, { code: 'reused' }] as const
  }

  function logOut(token: string) {
    const family = families.get(token)
    if (family !== undefined) family.isRevoked = true
    return [200, {}] as const
  }

  return createServer(async (request, response) => {
    const { refresh: token = '' } = await bodyOf(request)
    // A test may tell it the time, as an adapter wants to.
    const now = Number(request.headers['torture-now'] ?? Date.now())
    const [status, body] =
      request.url === '/token'
        ? grant({ current: '', rotatedAt: now, isRevoked: false }, now)
        : request.url === '/refresh'
          ? refresh(token, now)
          : logOut(token)
    const text = JSON.stringify(body)
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': text.length })
    response.end(text)
  })
}

async function bodyOf(request: IncomingMessage): Promise<{ refresh?: string }> {
  let text = ''
  for await (const piece of request) text += piece
  return text === '' ? {} : JSON.parse(text)
}
