import { createHash } from 'node:crypto'
import fp from 'fastify-plugin'
import { Type } from 'typebox'
import type { Manner } from './endpoint.ts'
import { action, endpoint } from './endpoint.ts'

export interface WellKnownPluginOptions {
  readonly manner: Manner
  /** Where a password is changed without being signed in. */
  readonly changePasswordUrl: string
}

const KeySet = Type.Object({
  keys: Type.Array(Type.Record(Type.String(), Type.String(), { description: 'A public key (RFC 7517)' })),
})

/** How long a verifier may go without asking; a new key waits as long before it signs. Stated in README.md. */
const KEYS_MAX_AGE_SECONDS = 300

/** What others look for at fixed paths, whatever prefix the dialects have (RFC 8615). */
export const wellKnownPlugin = fp<WellKnownPluginOptions>(
  async (app, { manner, changePasswordUrl }) => {
    const changePassword = action({
      guard: 'open',
      summary:
        'Leads password managers to the page for a new password (W3C, A Well-Known URL for Changing Passwords).',
      answers: {},
      hidden: true,
      handle: (_request, reply) => reply.header('cache-control', 'no-store').redirect(changePasswordUrl, 302),
    })
    const keys = action({
      guard: 'open',
      summary: 'The public keys that access tokens are verified with, a JWK set (RFC 7517).',
      description:
        'Those that sign, those that will and those that did: a key stays until it is taken out of' +
        ' JWT_PRIVATE_KEYS_FILE. Empty under HS256, whose keys are never public. Take the key that the kid of the' +
        ' token names, and no key or URL that the token brings.',
      answers: { 200: KeySet },
      handle(request, reply) {
        const set = JSON.stringify({ keys: app.jwtKeyring.publicKeys })
        const etag = `"${createHash('sha256').update(set).digest('base64url')}"`
        reply.headers({ 'cache-control': `public, max-age=${KEYS_MAX_AGE_SECONDS}`, etag })
        if (isAmong(etag, request.headers['if-none-match'])) return reply.code(304).send()
        return reply.type('application/jwk-set+json').serializer(String).send(set)
      },
    })
    endpoint(app, manner, '/.well-known/jwks.json', 'Keys', { GET: keys })
    endpoint(app, manner, '/.well-known/change-password', 'Change password', { GET: changePassword })
  },
  { name: 'well-known', dependencies: ['guards', 'jwt'] },
)

/** If-None-Match compares weakly (RFC 9110, 13.1.2): a proxy that packs the answer marks its tag so. */
function isAmong(etag: string, header: string | undefined): boolean {
  const tags = header?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? []
  return tags.includes(etag) || tags.includes('*')
}
