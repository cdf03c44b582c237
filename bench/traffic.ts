import { encodeRefreshToken } from '../src/core/refresh-token.ts'
import type { Traffic } from './load.ts'
import { accessTokens, account, keys, sessionId, USER_AGENT } from './people.ts'

/** What a load consists of. Sessions and their users are numbered, see `people.ts`. */
export type TrafficKind =
  /** GETs with the access token of the connection, over and over. */
  | { readonly kind: 'get'; readonly path: string }
  /** GETs, each with a token that was never sent before. */
  | { readonly kind: 'get-fresh'; readonly path: string; readonly tokens: number }
  /** Rotations; each connection has sessions of its own and takes the new token from the answer. */
  | { readonly kind: 'refresh' }
  /** Sign-ins of the one user who has a password. */
  | { readonly kind: 'login'; readonly username: string; readonly password: string }

/** How many sessions the HTTP loads share. */
export const SESSIONS = 1000

/** Makes the traffic of a kind, with all the tokens it begins with. */
export function createTraffic(kind: TrafficKind, connections: number): Traffic {
  switch (kind.kind) {
    case 'get':
      return getTraffic(kind.path, connections)
    case 'get-fresh':
      return freshTraffic(kind.path, kind.tokens)
    case 'refresh':
      return refreshTraffic(connections)
    case 'login': {
      const { username, password } = kind
      const request = post('/token', JSON.stringify({ username, password }))
      return { next: () => request }
    }
    default:
      return kind satisfies never
  }
}

function getTraffic(path: string, connections: number): Traffic {
  const tokens = accessTokens()
  const requests = Array.from({ length: connections }, (_, index) =>
    get(path, tokens.mint(account(1 + index), sessionId(1 + index), 0).token),
  )
  return { next: (connection) => requests[connection] }
}

/** A service meets a new token of a session when it has moved on, so each is of another generation. */
let generation = 0
function freshTraffic(path: string, count: number): Traffic {
  const tokens = accessTokens()
  const requests: string[] = []
  while (requests.length < count) {
    generation += 1
    for (let number = 1; number <= SESSIONS && requests.length < count; number += 1) {
      requests.push(get(path, tokens.mint(account(number), sessionId(number), generation).token))
    }
  }
  let at = 0
  return { next: () => requests[at++] }
}

/** The token of a session, from one load to the next. */
const refreshTokens = new Map<number, string>()
function refreshTraffic(connections: number): Traffic {
  const current = Array.from({ length: connections }, (_, index) => 1 + index)
  const step = (number: number) => (number + connections <= SESSIONS ? number + connections : undefined)
  return {
    next(connection) {
      const number = current[connection] ?? 1
      const token = refreshTokens.get(number) ?? firstToken(number)
      return post('/refresh', `{"refresh":"${token}"}`)
    },
    took(connection, status, answer) {
      const number = current[connection] ?? 1
      if (status === 200) {
        const at = answer.indexOf('"refresh":"') + '"refresh":"'.length
        refreshTokens.set(number, answer.slice(at, answer.indexOf('"', at)))
      }
      current[connection] = step(number) ?? 1 + connection
    },
  }
}

function firstToken(number: number): string {
  return encodeRefreshToken(keys, { userId: number, sessionId: sessionId(number), generation: 0 })
}

/** What every client says of itself. */
const CLIENT = `host: keyturn.bench\r\nuser-agent: ${USER_AGENT}\r\n`

function get(path: string, token: string): string {
  return `GET ${path} HTTP/1.1\r\n${CLIENT}authorization: Bearer ${token}\r\n\r\n`
}

function post(path: string, body: string): string {
  const head = `POST ${path} HTTP/1.1\r\n${CLIENT}content-type: application/json\r\n`
  return `${head}content-length: ${body.length}\r\n\r\n${body}`
}
