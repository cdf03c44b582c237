import { AsyncLocalStorage } from 'node:async_hooks'
import { buildApp } from '../../src/app.ts'
import { testConfig } from '../helpers/app.ts'
import { CLOCK_HEADER, STILL } from './keyturn-clock.ts'

// A replica of Keyturn in a process of its own, as it is but for its clock: each request brings the moment at which
// it is to be judged. `fork(this file, [databaseUrl])` sends the port when it listens.
const [databaseUrl] = process.argv.slice(2)
if (databaseUrl === undefined) throw new Error('the URL of the database is missing')

const moments = new AsyncLocalStorage<number>()
const world = { now: () => moments.getStore() ?? STILL, random: Math.random }
const settings = { EMAIL_VERIFICATION: 'off', SMTP_URL: 'smtp://127.0.0.1:1' }
const app = await buildApp(testConfig(databaseUrl, settings), world)
// Before Fastify sees the request, so that nothing in the service knows of it.
app.server.prependListener('request', (request) => {
  const moment = request.headers[CLOCK_HEADER]
  moments.enterWith(moment === undefined ? STILL : Number(moment))
})

process.once('SIGTERM', () => void app.close().then(() => process.exit()))
process.once('disconnect', () => process.exit())
await app.listen({ host: '127.0.0.1', port: 0 })
const address = app.server.address()
process.send?.(typeof address === 'object' ? address?.port : undefined)
