import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { claims, ISSUER, keySigner, serve } from './signing.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc')

/** A service in JavaScript, as somebody else would write it. */
const SERVICE = `
import { createVerifier, VerifyError } from 'keyturn/verify'
import { createTestIssuer } from 'keyturn/verify/testing'
const keyturn = await createTestIssuer({ algorithm: 'EdDSA' })
const verifier = createVerifier(keyturn.verifierOptions)
const { claims } = await verifier.verify(await keyturn.mint({ username: 'ada' }))
const { error } = await verifier.verify('x')
verifier.close()
console.log(claims.username, error.code, error instanceof VerifyError)
`

/** What the types must let through, and what they must not. */
const TYPES = `
import type { IncomingMessage, ServerResponse } from 'node:http'
import Fastify from 'fastify'
import type { AccessClaims, VerifyErrorCode } from 'keyturn/verify'
import { claimsOf, createVerifier, guardConnect, guardFastify, guardFetch } from 'keyturn/verify'
const common = { issuer: 'i', audience: 'a' }
const verifier = createVerifier({ ...common, secrets: async () => 'k1:x' })
const { claims, error } = await verifier.verify('x')
if (error === undefined) {
  const name: string = claims.username
  const roles: readonly string[] = claims.roles
} else {
  const code: VerifyErrorCode = error.code
  switch (code) {
    case 'token_missing': case 'token_malformed': case 'typ_not_allowed': case 'alg_not_allowed': case 'kid_unknown':
    case 'signature_invalid': case 'claims_invalid': case 'issuer_wrong': case 'audience_wrong': case 'token_type_wrong':
    case 'token_expired': case 'token_not_yet_valid': case 'session_revoked': case 'keys_unavailable':
    case 'revocations_stale': break
    default: code satisfies never
  }
}
const app = Fastify()
app.addHook('onRequest', guardFastify(verifier))
app.get('/', { onRequest: guardFastify(verifier) }, async (request): Promise<AccessClaims> => claimsOf(request))
const middleware: (request: IncomingMessage, response: ServerResponse, next: () => void) => void = guardConnect(verifier)
const handler: (request: Request, environment: { readonly a: 1 }) => Promise<Response> =
  guardFetch(verifier, (request, environment: { readonly a: 1 }) => new Response(String(environment.a)))
// @ts-expect-error one source of keys, not none
createVerifier(common)
// @ts-expect-error nor two
createVerifier({ ...common, secrets: 'k', jwksUrl: 'https://a' })
// @ts-expect-error what happens without the feed has to be said
createVerifier({ ...common, secrets: 'k', revocations: { url: 'https://a', clientId: 'a', clientSecret: 'b' } })
// @ts-expect-error claims may be missing
const unsure: string = (await verifier.verify('x')).claims.username
export { app, handler, middleware, unsure }
`

t.test('the build is a package that other services import, with jose and nothing else', async (t) => {
  const service = await mkdtemp(join(tmpdir(), 'keyturn-verify-'))
  t.teardown(() => rm(service, { recursive: true, force: true }))
  const modules = join(service, 'node_modules')
  const dist = join(modules, 'keyturn/dist')
  // Through a shell, because tap puts its loader into the environment of every Node.js that a test starts.
  const run = (args: readonly string[]) =>
    promisify(execFile)('sh', ['-c', 'unset NODE_OPTIONS; exec "$0" "$@"', process.execPath, ...args], {
      cwd: service,
      timeout: 60_000,
    })
  await mkdir(dist, { recursive: true })
  // Without the check of its types, which `npm run typecheck` makes, and which takes more CPU than all else here.
  await run([TSC, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', dist, '--noCheck', '--singleThreaded'])
  await cp(join(ROOT, 'package.json'), join(modules, 'keyturn/package.json'))
  await symlink(join(ROOT, 'node_modules/jose'), join(modules, 'jose'))
  await writeFile(join(service, 'package.json'), '{"type":"module"}')
  await writeFile(join(service, 'service.js'), SERVICE)

  const { stdout } = await run(['service.js'])
  t.equal(stdout, 'ada token_malformed true\n')

  await t.test('the example of docs/verify.md does what it says', async (t) => {
    const document = await readFile(join(ROOT, 'docs/verify.md'), 'utf8')
    const [, example = ''] = /^<!-- example: verifier -->\n```js\n([\s\S]*?)^```$/m.exec(document) ?? []
    const signer = keySigner('ES256')
    const feed = JSON.stringify({ revoked: [], cursor: 'c' })
    const keyturn = await serve(t, (request, response) =>
      response.end(request.url?.startsWith('/revocations') ? feed : JSON.stringify({ keys: [signer.jwk()] })),
    )
    const located = example
      .replaceAll(`'${ISSUER}'`, `'issuer'`)
      .replaceAll(ISSUER, keyturn.url)
      .replace('process.env.KEYTURN_CLIENT_SECRET', "'x'")
    const token = signer.token(undefined, claims({ iss: 'issuer' }))
    await writeFile(
      join(service, 'example.js'),
      [`const token = '${token}'`, located, 'console.log(claims?.username, error)', 'verifier.close()']
        .join('\n')
        // Imports stand wherever they are written.
        .trim(),
    )
    t.equal((await run(['example.js'])).stdout, 'ada undefined\n')
  })

  await t.test('its types say what it does, to a compiler that checks declarations too', async (t) => {
    await mkdir(join(modules, '@types'))
    for (const name of ['fastify', '@types/node'])
      await symlink(join(ROOT, 'node_modules', name), join(modules, name))
    const compilerOptions = {
      strict: true,
      noEmit: true,
      module: 'nodenext',
      target: 'es2023',
      types: ['node'],
    }
    const options = { ...compilerOptions, lib: ['es2023'], exactOptionalPropertyTypes: true }
    await writeFile(join(service, 'types.ts'), TYPES)
    await writeFile(
      join(service, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: options, files: ['types.ts'] }),
    )
    const outcome = await run([TSC, '-p', '.']).catch((error: { stdout: string }) => error)
    t.equal(outcome.stdout, '')
  })

  await t.test('none of its files imports anything but its own room and jose', async (t) => {
    const files = (await readdir(join(dist, 'verify'))).filter((file) => /\.(js|d\.ts)$/.test(file))
    t.ok(files.includes('index.js') && files.includes('index.d.ts') && files.includes('testing.js'))
    for (const file of files) {
      const text = await readFile(join(dist, 'verify', file), 'utf8')
      const imports = [...text.matchAll(/(?:from|import\()\s*['"]([^'"]+)/g)].map(([, name = '']) => name)
      t.strictSame(
        imports.filter((name) => name !== 'jose' && !name.startsWith('./')),
        [],
        file,
      )
    }
  })

  await t.test('jose is a dependency of production', async (t) => {
    const { dependencies, exports }: { dependencies: object; exports: object } = JSON.parse(
      await readFile(join(ROOT, 'package.json'), 'utf8'),
    )
    t.hasProps(dependencies, ['jose'])
    t.strictSame(Object.keys(exports), ['./verify', './verify/testing', './package.json'])
  })
})
