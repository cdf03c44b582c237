import { buildTestApp, testConfig } from './app.ts'

// A replica in a process of its own: `fork(this file, [databaseUrl])` sends its address when it listens.
const [databaseUrl] = process.argv.slice(2)
if (databaseUrl === undefined) throw new Error('the URL of the database is missing')
const app = await buildTestApp(testConfig(databaseUrl))
process.once('SIGTERM', () => void app.close())
process.send?.(await app.listen({ host: '127.0.0.1', port: 0 }))
process.disconnect?.()
