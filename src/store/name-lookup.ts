import type { LookupAddress, LookupOptions } from 'node:dns'
import dns from 'node:dns'
import type { LookupFunction } from 'node:net'
import { Socket } from 'node:net'

/** So long a resolver that answered before is waited for; a connection has a second in all. */
const PATIENCE_MS = 250

type Resolve = (host: string, options: LookupOptions) => Promise<readonly LookupAddress[]>

/**
 * `dns.lookup` with a memory: while the resolver fails or hangs, the addresses that it gave last are used (RFC 8767).
 * That a name is no longer there is an answer, and obeyed. Of each name one question is under way at a time, for each
 * holds a thread of Node's few for as long as the resolver hangs.
 */
export function createLookup(resolve: Resolve = resolveNow): LookupFunction {
  const remembered = new Map<string, readonly LookupAddress[]>()
  const underWay = new Map<string, Promise<readonly LookupAddress[]>>()

  function ask(key: string, host: string, options: LookupOptions): Promise<readonly LookupAddress[]> {
    const asked = underWay.get(key) ?? resolve(host, options).finally(() => underWay.delete(key))
    underWay.set(key, asked)
    return asked
  }

  async function find(host: string, options: LookupOptions): Promise<readonly LookupAddress[]> {
    const key = `${host} ${options.family ?? 0} ${options.hints ?? 0}`
    const answer = ask(key, host, options).then((addresses) => {
      remembered.set(key, addresses)
      return addresses
    })
    const last = remembered.get(key)
    if (last === undefined) return answer
    let timer: NodeJS.Timeout | undefined
    const impatience = new Promise<typeof last>((done) => {
      timer = setTimeout(() => done(last), PATIENCE_MS)
    })
    try {
      return await Promise.race([answer, impatience])
    } catch (error) {
      if (isNoSuchName(error)) throw error
      return last
    } finally {
      clearTimeout(timer)
    }
  }

  return (host, options, callback) => {
    find(host, options).then(
      (addresses) => {
        const [first] = addresses
        if (options.all) callback(null, [...addresses])
        else callback(null, first?.address ?? '', first?.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, ''),
    )
  }
}

function resolveNow(host: string, options: LookupOptions): Promise<LookupAddress[]> {
  return new Promise((resolve, reject) => {
    dns.lookup(host, { ...options, all: true }, (error, addresses) =>
      error ? reject(error) : resolve(addresses),
    )
  })
}

function isNoSuchName(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOTFOUND'
}

const lookup = createLookup()

/** A socket for `pg`, which tells it port and host and nothing of how to find the host. */
export function socketByName(): Socket {
  const socket = new Socket()
  const connect = socket.connect.bind(socket)
  return Object.assign(socket, {
    connect: (to: number | string, host: string) =>
      typeof to === 'string' ? connect(to) : connect({ port: to, host, lookup }),
  })
}
