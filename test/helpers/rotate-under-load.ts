import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeProtectedHeader } from 'jose'
import type { Test } from 'tap'
import { plain } from '../../tools/plain.mjs'
import { tokensOf } from './accounts.ts'
import { get, post } from './client.ts'
import { freePort } from './free-port.ts'
import { directory, newSecret, replaceFile } from './keys.ts'
import { createTestDatabase } from './postgres.ts'
import { keepPrinted } from './run-log.ts'
import { until } from './until.ts'

interface Replica {
  readonly process: ChildProcess
  readonly url: string
}

async function startReplica(t: Test, settings: Record<string, string>): Promise<Replica> {
  const child = spawn(process.execPath, [plain('src/server.ts')], {
    env: {
      PATH: process.env['PATH'],
      TMPDIR: tmpdir(),
      PORT: '0',
      NODE_ENV: 'test',
      BCRYPT_COST: '4',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  })
  let printed = ''
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`a replica ended: ${printed}`)))
    keepPrinted(child.stdout)
    child.stdout.setEncoding('utf8').on('data', (text) => {
      printed += text
      const [, address] = /Docs +(http:\S+)\/docs/.exec(printed) ?? []
      if (address !== undefined) resolve(address)
    })
  })
  return { process: child, url }
}

/** Clients that use either replica in turn and refresh as they go; what was refused to them, and by which kids they live. */
function startClients(urls: readonly string[], firsts: readonly { access: string; refresh: string }[]) {
  const refused: string[] = []
  let checks = 0
  let refreshes = 0
  let stopped = false
  const kids = new Map<number, string>()
  const run = async (client: number, first: { access: string; refresh: string }) => {
    let tokens = first
    for (let turn = client; !stopped; turn += 1) {
      const url = urls[turn % urls.length] ?? ''
      const check = await get(`${url}/check-auth-status`, tokens.access)
      checks += 1
      if (check.status !== 200) refused.push(`check ${check.status} ${check.body['code']}`)
      if (turn % 3 !== 0) continue
      const answer = await post(`${url}/refresh`, { refresh: tokens.refresh })
      refreshes += 1
      if (answer.status !== 200) {
        refused.push(`refresh ${answer.status} ${answer.body['code']}`)
        return
      }
      tokens = tokensOf(answer)
      kids.set(client, String(decodeProtectedHeader(tokens.access).kid))
    }
  }
  const running = firsts.map((first, client) => run(client, first))
  return {
    refused,
    forgetKids: () => kids.clear(),
    /** Whether all clients live by tokens of this key. */
    allUse: (kid: string) => kids.size === firsts.length && [...kids.values()].every((each) => each === kid),
    async stop() {
      stopped = true
      await Promise.all(running)
      return { checks, refreshes }
    },
  }
}

/** A ring of keys that sign access tokens, in a file. */
export interface RotatedRing {
  /** Names the file. */
  readonly setting: string
  readonly settings: Readonly<Record<string, string>>
  /** A new key. */
  readonly make: (kid: string) => string
  /** What a file of these keys holds. */
  readonly write: (...keys: readonly string[]) => string
}

/**
 * Adds, promotes and retires a key that signs access tokens, and a server secret with it, while clients use two
 * replicas: no token is refused, and no process starts again.
 */
export async function rotateUnderLoad(t: Test, ring: RotatedRing): Promise<void> {
  const dir = await directory(t)
  const [jwt, server] = [join(dir, 'jwt'), join(dir, 'server')]
  const [first, hidden] = [ring.make('key1'), newSecret('srv1')]
  await replaceFile(jwt, ring.write(first))
  await replaceFile(server, hidden)
  const { url: databaseUrl } = await createTestDatabase(t)
  const settings = {
    DATABASE_URL: databaseUrl,
    // One address for both, as behind a load balancer: it is the issuer of every token.
    PUBLIC_URL: 'http://keyturn.test',
    RATE_LIMIT: 'off',
    EMAIL_VERIFICATION: 'off',
    LOG_LEVEL: 'silent',
    [ring.setting]: jwt,
    ...ring.settings,
    SERVER_SECRETS_FILE: server,
  }
  const ports = await Promise.all([freePort(), freePort()])
  const replicas = await Promise.all(
    ports.map((port) =>
      startReplica(t, { ...settings, PORT: String(port) }).then((each) => ({ ...each, port })),
    ),
  )
  const urls = ports.map((port) => `http://127.0.0.1:${port}`)
  const ids = replicas.map(({ process }) => process.pid)
  const firsts = await Promise.all(
    Array.from({ length: 6 }, async (_, index) => {
      const person = {
        username: `client${index}`,
        email: `c${index}@example.org`,
        password: 'a good long phrase',
      }
      return tokensOf(await post(`${urls[0]}/register`, person))
    }),
  )
  const clients = startClients(urls, firsts)
  /** Whether each replica says this of its keys, as an operator would ask. */
  const say = async (wanted: RegExp, unwanted = /(?!)/) => {
    const texts = await Promise.all(
      urls.map(async (url) => String((await get(`${url}/metrics`)).body['text'])),
    )
    return texts.every((text) => wanted.test(text) && !unwanted.test(text))
  }
  const tell = () => replicas.forEach(({ process: { pid = 0 } }) => void process.kill(pid, 'SIGHUP'))

  const [next, nextHidden] = [ring.make('key2'), newSecret('srv2')]
  await replaceFile(jwt, ring.write(first, next))
  await replaceFile(server, `${hidden},${nextHidden}`)
  tell()
  await until('both replicas know the new keys', () => say(/kid="key2"} 0[\s\S]*kid="srv2"} 0/))
  // From here on by the watch alone: the replicas see it one after the other, and each signs with another key meanwhile.
  await replaceFile(jwt, ring.write(next, first))
  await replaceFile(server, `${nextHidden},${hidden}`)
  await until('both replicas sign with them', () => say(/kid="key2"} 1[\s\S]*kid="srv2"} 1/))
  clients.forgetKids()
  await until('all tokens are of the new key', () => clients.allUse('key2'))
  await replaceFile(jwt, ring.write(next))
  await replaceFile(server, nextHidden)
  await until('both replicas have dropped the old keys', () => say(/kid="key2"} 1/, /key1|srv1/))

  const { checks, refreshes } = await clients.stop()
  t.same(clients.refused, [], `of ${checks} checks and ${refreshes} refreshes`)
  t.ok(refreshes > 20, `${refreshes} refreshes`)
  t.same(
    replicas.map(({ process }) => [process.pid, process.exitCode]),
    ids.map((id) => [id, null]),
  )
  t.equal((await get(`${urls[0]}/check-auth-status`, firsts[0]?.access)).status, 401, 'the old key is gone')
}
