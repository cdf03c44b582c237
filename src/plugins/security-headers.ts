import fp from 'fastify-plugin'

/**
 * What Helmet sets for an API, said once: asked anew for every answer, its dozen of middlewares took as much time
 * as all the rest of a status check. A page adds a Content-Security-Policy of its own, see `pages/layout.ts`.
 */
export const SECURITY_HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'SAMEORIGIN',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
}

/** Headers that tell browsers to be careful with every answer, refusals and unknown paths among them. */
export const securityHeadersPlugin = fp(
  async (app) => {
    app.addHook('onRequest', (request, reply, done) => {
      reply.headers(SECURITY_HEADERS)
      // What answers a deed is about somebody, and never for a cache (RFC 6749, 5.1).
      if (request.method !== 'GET') reply.header('cache-control', 'no-store')
      done()
    })
  },
  { name: 'security-headers' },
)
