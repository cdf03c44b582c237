import { createVerifier } from '../../src/verify/index.ts'

// What `verifier-process.ts` forks: takes tokens, one after the other, and says what it thinks of them.
const [options = ''] = process.argv.slice(2)
const verifier = createVerifier(JSON.parse(options))
process.on('message', async (token: string) => {
  const { error } = await verifier.verify(token)
  process.send?.(error?.code ?? 'good')
})
process.once('SIGTERM', () => process.exit())
await verifier.ready()
process.send?.('ready')
