import { connect } from 'node:net'
import t from 'tap'
import { somebody } from '../helpers/accounts.ts'
import { until } from '../helpers/until.ts'
import { startAll } from './helpers.ts'

type Fields = Readonly<Record<string, string>>
interface Told {
  readonly status: number
  readonly body: Record<string, unknown>
}

/** How a kind of client writes its requests: to the byte, for it is the odd header that breaks a move. */
interface Client {
  readonly kind: string
  readonly headers: readonly string[]
  readonly type: string
  readonly write: (fields: Fields) => string
}

const form = (fields: Fields) => new URLSearchParams(fields).toString()
const CLIENTS: readonly Client[] = [
  {
    kind: 'curl',
    headers: ['User-Agent: curl/8.5.0', 'Accept: */*'],
    type: 'application/x-www-form-urlencoded',
    write: form,
  },
  {
    kind: 'requests of Python',
    headers: [
      'User-Agent: python-requests/2.32.3',
      'Accept-Encoding: gzip, deflate',
      'Accept: */*',
      'Connection: keep-alive',
    ],
    type: 'application/json',
    write: JSON.stringify,
  },
  {
    kind: 'axios',
    headers: [
      'Accept: application/json, text/plain, */*',
      'User-Agent: axios/1.7.9',
      'Accept-Encoding: gzip, compress, deflate, br',
    ],
    type: 'application/json;charset=utf-8',
    write: JSON.stringify,
  },
  {
    kind: 'HttpURLConnection of Android',
    headers: [
      'User-Agent: Dalvik/2.1.0 (Linux; U; Android 13; Pixel 6)',
      'Connection: Keep-Alive',
      'Accept-Encoding: gzip',
    ],
    type: 'application/json; charset=UTF-8',
    write: JSON.stringify,
  },
  {
    kind: 'HTTPie',
    headers: [
      'User-Agent: HTTPie/3.2.3',
      'Accept-Encoding: gzip, deflate',
      'Accept: */*',
      'Connection: keep-alive',
    ],
    type: 'application/x-www-form-urlencoded; charset=utf-8',
    write: form,
  },
]

/** One connection, kept alive, over which requests are written by hand and answers read by their length. */
function dial(url: string, client: Client) {
  const { hostname, port, host } = new URL(url)
  const socket = connect(Number(port), hostname)
  let read = ''
  socket.setEncoding('utf8').on('data', (part: string) => (read += part))

  function answer(): Promise<Told> {
    return until('an answer', () => {
      const end = read.indexOf('\r\n\r\n')
      const length = Number(/^content-length: (\d+)/im.exec(read.slice(0, end))?.[1])
      if (end !== -1 && Buffer.byteLength(read.slice(end + 4)) >= length) {
        const body = Buffer.from(read.slice(end + 4))
          .subarray(0, length)
          .toString('utf8')
        const status = Number(/^HTTP\/1\.1 (\d+)/.exec(read)?.[1])
        read = ''
        return { status, body: JSON.parse(body) }
      }
      if (socket.destroyed) throw new Error('the connection was closed')
      return undefined
    })
  }

  return {
    hangUp: () => socket.destroy(),
    ask(method: string, path: string, fields?: Fields, authorization?: string): Promise<Told> {
      const body = fields === undefined ? '' : client.write(fields)
      const head = [
        `${method} ${path} HTTP/1.1`,
        `Host: ${host}`,
        ...client.headers,
        ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
        ...(fields === undefined ? [] : [`Content-Type: ${client.type}`]),
        ...(method === 'GET' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
      ]
      socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
      return answer()
    },
  }
}

const PROFILE = { organizationType: 'NGO', organizationName: 'Rivers', country: 'ZA' }

for (const client of CLIENTS) {
  t.test(
    `${client.kind} goes through every dialect, on one connection and as it writes its requests`,
    async (t) => {
      const service = await startAll(t)
      const line = dial(service.url, client)
      t.teardown(line.hangUp)
      const { username, email, password } = somebody()

      const registered = await line.ask('POST', '/api/auth/register/', { username, email, password })
      t.equal(registered.status, 201, 'authtoken')
      const login = await line.ask('POST', '/api/auth/login/', { username, password })
      const token = `Token ${login.body['token']}`
      t.equal((await line.ask('POST', '/api/auth/logout/', undefined, token)).status, 200, 'without a body')
      t.equal((await line.ask('POST', '/api/auth/logout/', {}, token)).status, 401, 'with an empty one')

      const name = `${username}f`
      const sheet = {
        username: name,
        password1: password,
        password2: password,
        email: `f${email}`,
        accept_tos: 'true',
      }
      t.match((await line.ask('POST', '/auth/signup', sheet)).body, { success: true, errors: {} })
      const entered = await line.ask('POST', '/auth/login', { username: name, password })
      const ticket = `Token ${entered.body['token']}`
      t.same((await line.ask('POST', '/auth/logout', undefined, ticket)).body, { success: true })

      const joined = await line.ask('POST', '/knox/register', { username: `${username}k`, password })
      t.equal(joined.status, 201, 'knox')
      const key = `Token ${joined.body['token']}`
      t.match((await line.ask('GET', '/knox/user', undefined, key)).body, { username: `${username}k` })
      t.equal((await line.ask('PUT', '/knox/user', { first_name: 'Zoë' }, key)).status, 200)
      t.match((await line.ask('GET', '/knox/user', undefined, key)).body, { first_name: 'Zoë' })

      const api = '/authentication/api'
      const person = { email: `z${email}`, password, name: 'Zoë', surname: 'B', ...PROFILE }
      t.equal((await line.ask('POST', `${api}/register/`, person)).status, 201, 'simplejwt')
      const entry = await line.ask('POST', `${api}/login/?app=mobile`, { email: person.email, password })
      t.match(entry.body, { is_authenticated: true, email: person.email })
      const fresh = await line.ask('POST', `${api}/token/refresh/`, {
        refresh: String(entry.body['refresh_token']),
      })
      const bearer = `Bearer ${fresh.body['access']}`
      t.equal((await line.ask('GET', `${api}/check-auth-status/`, undefined, bearer)).status, 200)
      t.equal((await line.ask('POST', `${api}/logout/`, undefined, bearer)).status, 200)
      t.equal((await line.ask('GET', `${api}/check-auth-status/`, undefined, bearer)).status, 401)
    },
  )
}
