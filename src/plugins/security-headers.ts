import fp from 'fastify-plugin'

/**
 * What Helmet sets that means something for an answer which is no page; said once, because its dozen of middlewares,
 * asked anew for every answer, took as much time as all the rest of a status check.
 */
export const SECURITY_HEADERS = {
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

/** Beside them for what a browser opens as a page, which has a Content-Security-Policy of its own as well. */
export const PAGE_SECURITY_HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'x-dns-prefetch-control': 'off',
  'x-permitted-cross-domain-policies': 'none',
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
