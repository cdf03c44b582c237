import { once } from 'node:events'
import type { Adapter, OpenAdapter, Subject } from './adapter.ts'
import { connectionsTo } from './connections.ts'
import { createNaiveServer } from './naive-server.ts'
import type { Tokens } from './server.ts'

export const openAdapter: OpenAdapter = () => openNaive('revoke')

/** The naive server over HTTP: the shortest adapter there can be, without faults and without a grace. */
export async function openNaive(onReuse: 'revoke' | 'forgive'): Promise<Adapter> {
  const server = createNaiveServer(onReuse).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const connections = connectionsTo(typeof address === 'object' ? (address?.port ?? 0) : 0, 32)

  const post = (path: string, at: number, body: object = {}) =>
    connections.ask({
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json', 'torture-now': String(at) },
      body: JSON.stringify(body),
    })
  const tokensIn = (body: string): Tokens => {
    const { refresh, access, expires_in } = JSON.parse(body)
    return { refresh, access, expiresIn: expires_in }
  }

  const subject: Subject = {
    async signIn(at) {
      const answer = await post('/token', at)
      if (answer?.status !== 200) throw new Error(`POST /token answered ${answer?.status}`)
      return tokensIn(answer.body)
    },
    async refresh({ refresh }, at) {
      const answer = await post('/refresh', at, { refresh })
      if (answer === undefined) return { kind: 'failed', retryAfterSeconds: undefined }
      if (answer.status === 200) return { kind: 'tokens', ...tokensIn(answer.body) }
      return { kind: 'refused', code: JSON.parse(answer.body).code }
    },
    checkStatus: async () => true,
    async logOut(_replica, refresh, at) {
      await post('/logout', at, { refresh })
    },
    end: async () => {},
  }
  return {
    name: 'the naive server',
    transport: 'HTTP',
    lives: { graceSeconds: 0, idleTtlSeconds: 30 * 24 * 3600, ttlSeconds: Infinity },
    // Each request brings its own time, and sessions know nothing of each other.
    concurrency: 64,
    replicas: 1,
    open: async () => subject,
    async close() {
      connections.close()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
