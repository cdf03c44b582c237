import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import type { Manner } from './endpoint.ts'
import { action, endpoint } from './endpoint.ts'
import { finishDocument } from './openapi-document.ts'
import { PAGE_SECURITY_HEADERS } from './security-headers.ts'

export interface DocsPluginOptions {
  readonly publicUrl: string
  readonly version: string
}

/** Collects the schemas that validate into one document, and serves `/docs` to read and try it. Before every route. */
export const docsPlugin = fp<DocsPluginOptions>(
  async (app, { publicUrl, version }) => {
    await app.register(fastifySwagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'Keyturn',
          version,
          description:
            'Short-lived access tokens and rotating refresh tokens. Every body may be JSON, urlencoded or multipart;' +
            ' refusals are RFC 9457 problems, and at the paths of other dialects what their clients know.',
          license: { name: 'MIT', identifier: 'MIT' },
        },
        servers: [{ url: publicUrl }],
        // What every endpoint has in common is said once, by `finishDocument`.
        components: {
          securitySchemes: {
            access: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
            service: { type: 'http', scheme: 'basic', description: 'One of SERVICE_CLIENTS' },
            token: { type: 'apiKey', in: 'header', name: 'Authorization', description: 'Token <token>' },
          },
        },
      },
      transformObject: (document) =>
        'openapiObject' in document ? finishDocument(document.openapiObject) : {},
    })
    await app.register(fastifySwaggerUi, {
      routePrefix: '/docs',
      staticCSP: true,
      uiHooks: {
        onRequest(_request, reply, done) {
          reply.headers(PAGE_SECURITY_HEADERS)
          done()
        },
      },
      theme: { title: 'Keyturn' },
      // Without the bar at the top, which would name another document and another project.
      uiConfig: { layout: 'BaseLayout' },
    })
  },
  { name: 'docs' },
)

/** `/openapi.json`: every endpoint that was registered after `docsPlugin`. */
export const openApiPlugin = fp<{ readonly manner: Manner }>(
  async (app, { manner }) => {
    let document: Buffer | undefined
    const openApi = action({
      guard: 'open',
      summary: 'This document.',
      answers: {},
      hidden: true,
      handle(_request, reply) {
        // Of one go through the document, and of one piece of memory, for whoever asks a thousand times at once.
        document ??= Buffer.from(JSON.stringify(app.swagger()))
        return reply.type('application/json; charset=utf-8').send(document)
      },
    })
    endpoint(app, manner, '/openapi.json', 'OpenAPI', { GET: openApi })
  },
  { name: 'openapi', dependencies: ['docs', 'guards'] },
)
