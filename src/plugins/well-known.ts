import fp from 'fastify-plugin'
import type { Manner } from './endpoint.ts'
import { action, endpoint } from './endpoint.ts'

export interface WellKnownPluginOptions {
  readonly manner: Manner
  /** Where a password is changed without being signed in. */
  readonly changePasswordUrl: string
}

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
    endpoint(app, manner, '/.well-known/change-password', 'Change password', { GET: changePassword })
  },
  { name: 'well-known', dependencies: ['guards'] },
)
