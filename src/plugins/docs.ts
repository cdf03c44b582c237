import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'

export interface DocsPluginOptions {
  readonly publicUrl: string
  readonly version: string
}

/** `/openapi.json`, made from the schemas that validate, and `/docs` to read and try it. Before every route. */
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
            ' refusals are RFC 9457 problems.',
          license: { name: 'MIT', identifier: 'MIT' },
        },
        servers: [{ url: publicUrl }],
        components: { securitySchemes: { access: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
      },
    })
    await app.register(fastifySwaggerUi, { routePrefix: '/docs', staticCSP: true })
    app.get('/openapi.json', { schema: { hide: true } as object }, (_request, reply) =>
      reply.send(app.swagger()),
    )
  },
  { name: 'docs' },
)
