import type { Test } from 'tap'
import t from 'tap'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

interface Operation {
  readonly operationId: string
  readonly security: readonly object[]
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> }
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
}

async function documentOf({ url }: TestApp): Promise<OpenApi> {
  return (await (await fetch(`${url}/openapi.json`)).json()) as OpenApi
}

/** What a JSON pointer of this document leads to. */
const resolve = (document: object, pointer: string) =>
  pointer
    .slice('#/'.length)
    .split('/')
    .reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], document)

function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, part]) =>
    key === '$ref' && typeof part === 'string' ? [part] : referencesIn(part),
  )
}

async function startDocumented(t: Test) {
  const service = await startApp(t)
  const document = await documentOf(service)
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path))
  return { service, document, operations }
}

t.test(
  'the document is whole: every reference leads somewhere, every operation has its own name',
  async (t) => {
    const { document, operations } = await startDocumented(t)
    const references = new Set(referencesIn(document))
    t.ok(references.has('#/components/schemas/Problem'))
    for (const reference of references) t.type(resolve(document, reference), 'object', reference)
    const names = operations.map(({ operationId }) => operationId)
    t.equal(new Set(names).size, names.length, names.join(' '))
    t.ok(names.includes('postRefresh') && names.includes('deleteSessionsId'))
  },
)

t.test(
  'the document says what is open, how to be refused, and which header makes a retry safe',
  async (t) => {
    const { document, operations } = await startDocumented(t)
    t.same(document.paths['/token']?.['post']?.security, [])
    t.same(document.paths['/user']?.['get']?.security, [{ access: [] }])
    t.match(document.paths['/refresh']?.['post']?.parameters, [{ name: 'Idempotency-Key', in: 'header' }])
    const bodies = (path: string) => Object.keys(document.paths[path]?.['post']?.requestBody?.content ?? {})
    t.equal(bodies('/token').length, 3, 'which types of body are read')
    t.same(bodies('/user/widgets'), ['application/json'], 'one JSON text has no fields for a form')
    for (const { operationId, responses } of operations) {
      const refused = responses['4XX']
      if (refused) t.ok(refused.content?.['application/problem+json'], operationId)
    }
  },
)

t.test('the page shows the same document, and asks nobody else for anything', async (t) => {
  const { service, document } = await startDocumented(t)
  t.same(await (await fetch(`${service.url}/docs/json`)).json(), document)
  const page = await fetch(`${service.url}/docs`)
  t.equal(page.headers.get('cross-origin-opener-policy'), 'same-origin')
  t.equal(page.status, 200)
  const html = await page.text()
  t.match(html, /<title>Keyturn<\/title>/)
  for (const [, address = ''] of html.matchAll(/(?:src|href)="([^"]+)"/g)) t.match(address, /^\.?\//)
})
