import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import type { Teardown } from './postgres.ts'

/** The way to a database, which the test can bar. */
export interface Gate {
  /** Of the same database, through the gate. */
  readonly url: string
  /** Ends every connection and refuses new ones, as a database that is away does. */
  shut(): void
  /** Takes connections and bytes, and passes nothing on in either direction: a database that hangs. */
  hang(): void
  open(): void
  /** From now on the way leads to another database. */
  leadTo(databaseUrl: string): void
}

/** What becomes of the bytes on their way. */
export interface GateOptions {
  readonly toDatabase?: (bytes: Buffer) => Buffer
  readonly toClient?: (bytes: Buffer) => Buffer
}

/** A gate before the database, on a TCP port of 127.0.0.1. */
export async function gateTo(t: Teardown, databaseUrl: string, options: GateOptions = {}): Promise<Gate> {
  const { toDatabase = (bytes) => bytes, toClient = (bytes) => bytes } = options
  const target = new URL(databaseUrl)
  let way = wayTo(databaseUrl)
  let state: 'open' | 'shut' | 'hanging' = 'open'
  const sockets = new Set<Socket>()

  const server = createServer((client) => {
    if (state === 'shut') return void client.destroy()
    const { host, port } = way
    const database = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
    for (const [from, to, change] of [
      [client, database, toDatabase],
      [database, client, toClient],
    ] as const) {
      sockets.add(from)
      from.on('error', () => undefined)
      from.on('close', () => {
        sockets.delete(from)
        to.end()
      })
      from.on('data', (bytes) => state === 'hanging' || to.write(change(bytes)))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })

  const url = new URL('postgres://127.0.0.1')
  url.port = String((server.address() as AddressInfo).port)
  url.pathname = target.pathname
  url.username = target.searchParams.get('user') ?? target.username
  url.password = target.password
  url.searchParams.set('sslmode', 'disable')
  return {
    url: url.href,
    shut() {
      state = 'shut'
      for (const socket of sockets) socket.destroy()
    },
    hang() {
      state = 'hanging'
    },
    open() {
      state = 'open'
    },
    leadTo(otherUrl) {
      way = wayTo(otherUrl)
    },
  }
}

function wayTo(databaseUrl: string): { host: string; port: number } {
  const { searchParams, hostname, port } = new URL(databaseUrl)
  return {
    host: searchParams.get('host') ?? hostname,
    port: Number(searchParams.get('port') ?? port) || 5432,
  }
}
