import type { FastifyReply, FastifyRequest } from 'fastify'
import { buildApp } from '../../src/app.ts'
import { AuthError } from '../../src/core/errors.ts'
import { testConfig } from './app.ts'

// A service that writes its log to stdout, with routes of the test's own that throw wherever one can.
const [databaseUrl = '', settings = '{}'] = process.argv.slice(2)
const config = testConfig(databaseUrl, { LOG_LEVEL: 'info', METRICS_PORT: '0', ...JSON.parse(settings) })
const app = await buildApp(config)

const burst = () => {
  throw new Error('hunter2 was thrown')
}
app.get('/throws/handler', burst)
app.get('/throws/later', async () => burst())
app.get('/throws/no-error', () => {
  throw 'hunter2'
})
app.get('/throws/unavailable', () => {
  throw new AuthError('unavailable', { retryAfterSeconds: 1 })
})
for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const)
  app.get(`/throws/${hook}`, { [hook]: async () => burst() }, async () => ({}))
// What throws over a refusal as well leaves Fastify nothing but words of its own.
for (const hook of ['preSerialization', 'onSend'] as const) {
  const once = async (_request: FastifyRequest, reply: FastifyReply, payload: unknown) =>
    reply.statusCode === 200 ? burst() : payload
  app.get(`/throws/${hook}`, { [hook]: once }, async () => ({}))
}
const schema = { response: { 200: { type: 'object', properties: { a: { type: 'string' } } } } }
app.get('/throws/serializer', { schema }, async () => ({ a: { toString: burst } }))
app.get('/throws/custom-serializer', (_request, reply) => reply.serializer(burst).send({}))
const waiting: (() => void)[] = []
app.get('/waits', () => new Promise((resolve) => waiting.push(() => resolve({}))))
app.get('/waiting', async () => ({ waiting: waiting.length }))
app.get('/release', async () => {
  for (const release of waiting.splice(0)) release()
  return {}
})

process.once('SIGTERM', () => void app.close())
const url = await app.listen({ host: '127.0.0.1', port: 0 })
process.send?.({ url, metrics: `http://127.0.0.1:${app.metricsListener.port}/metrics` })
process.disconnect?.()
