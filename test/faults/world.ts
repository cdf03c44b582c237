import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Gate } from '../helpers/gate.ts'
import { gateTo } from '../helpers/gate.ts'
import { newSecret, replaceFile } from '../helpers/keys.ts'
import type { SmtpTestServer } from '../helpers/smtp.ts'
import { createSmtpServer } from '../helpers/smtp.ts'
import { until } from '../helpers/until.ts'
import type { Chance } from '../torture/chance.ts'
import type { Asked } from './ask.ts'
import type { Balancer } from './balancer.ts'
import { createBalancer } from './balancer.ts'
import type { Cluster } from './cluster.ts'
import { createPrimary } from './cluster.ts'
import { freePort } from './free-port.ts'
import type { Client } from './person.ts'
import { createClient } from './person.ts'
import type { LogReader, ReplicaProcess } from './replica-process.ts'
import { startReplica } from './replica-process.ts'
import type { Traffic } from './traffic.ts'
import { createTraffic } from './traffic.ts'

/** Three replicas behind a balancer, before a database behind a gate, used by clients: what faults happen to. */
export interface World {
  readonly home: string
  readonly chance: Chance
  /** The database that counts; a fail-over puts another in its place. */
  cluster: Cluster
  readonly gate: Gate
  readonly smtp: SmtpTestServer
  /** The way of the letters to it. */
  readonly smtpGate: Gate
  readonly balancer: Balancer
  readonly replicas: ReplicaProcess[]
  readonly client: Client
  readonly traffic: Traffic
  /** All that was asked, until somebody empties it. */
  readonly asked: Asked[]
  /** Files that the replicas read their keys from. */
  readonly keyFiles: { readonly jwt: string; readonly server: string }
  readonly settings: Readonly<Record<string, string>>
  /** Whatever has to be put away at the end; the last first. */
  teardown(work: () => unknown): void
  /** Ends the replicas there are and starts three with these settings beside the usual ones. */
  startReplicas(settings?: Readonly<Record<string, string>>, logReader?: LogReader): Promise<void>
  /** Starts a replica that has ended again, on its port; with SIGKILL first where it has not. */
  killAndStart(index: number, settings?: Readonly<Record<string, string>>): Promise<void>
  close(): Promise<void>
}

const REPLICAS = 3
/** Connections of each replica: few, so that one that leaks is missed. */
export const POOL_MAX = 5

export async function createWorld(chance: Chance, requestsPerSecond: number): Promise<World> {
  const teardowns: (() => unknown)[] = []
  const teardown = (work: () => unknown) => void teardowns.unshift(work)
  const close = async () => {
    for (const work of teardowns.splice(0)) await work()
  }
  try {
    const home = await mkdtemp(join(tmpdir(), 'keyturn-faults-'))
    // Passable, because PostgreSQL runs as somebody else where we are root.
    await chmod(home, 0o711)
    teardown(() => rm(home, { recursive: true, force: true, maxRetries: 5 }))
    const cluster = await createPrimary(home)
    teardown(() => world.cluster.stop())
    const gate = await gateTo({ teardown }, cluster.url)
    const smtp = await createSmtpServer({ teardown })
    const smtpGate = await gateTo({ teardown }, smtp.url)
    const balancer = await createBalancer()
    teardown(() => balancer.close())
    const keyFiles = { jwt: join(home, 'jwt'), server: join(home, 'server') }
    await replaceFile(keyFiles.jwt, newSecret('jwt1'))
    await replaceFile(keyFiles.server, newSecret('srv1'))

    const asked: Asked[] = []
    const client = createClient(balancer.url, (one) => asked.push(one))
    const replicas: ReplicaProcess[] = []
    teardown(() => Promise.all(replicas.map((replica) => replica.end('SIGKILL'))))
    const settings = {
      NODE_ENV: 'test',
      DATABASE_URL: gate.url,
      DATABASE_POOL_MAX: String(POOL_MAX),
      PUBLIC_URL: 'http://keyturn.test',
      JWT_ISSUER: 'http://keyturn.test',
      JWT_SECRETS_FILE: keyFiles.jwt,
      SERVER_SECRETS_FILE: keyFiles.server,
      SMTP_URL: `smtp://127.0.0.1:${new URL(smtpGate.url).port}`,
      EMAIL_VERIFICATION: 'off',
      BCRYPT_COST: '4',
      LOG_LEVEL: 'error',
      // Each client comes with an address of its own, by which the guards count.
      TRUST_PROXY: '127.0.0.1/32',
    }
    const world: World = {
      ...{
        home,
        chance,
        cluster,
        gate,
        smtp,
        smtpGate,
        balancer,
        replicas,
        client,
        asked,
        keyFiles,
        settings,
      },
      ...{ teardown, close },
      traffic: createTraffic({ client, chance, requestsPerSecond }),
      async startReplicas(more = {}, logReader = 'somebody') {
        await Promise.all(replicas.splice(0).map((replica) => replica.end('SIGKILL')))
        const ports = await Promise.all(Array.from({ length: REPLICAS }, freePort))
        const start = (port: number) => startReplica(port, { ...settings, ...more }, logReader)
        replicas.push(...(await Promise.all(ports.map(start))))
        balancer.use(ports)
        await until('all replicas are ready', () => balancer.ready === REPLICAS)
      },
      async killAndStart(index, more = {}) {
        const replica = replicas[index]
        if (replica === undefined) throw new Error(`there is no replica ${index}`)
        await replica.end('SIGKILL')
        replicas[index] = await startReplica(Number(new URL(replica.url).port), { ...settings, ...more })
        await until('all replicas are ready', () => balancer.ready === REPLICAS)
      },
    }
    return world
  } catch (error) {
    await close()
    throw error
  }
}
