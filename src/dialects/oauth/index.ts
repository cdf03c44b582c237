import { endpoint } from '../../plugins/endpoint.ts'
import { requireAccessToken } from '../bearer.ts'
import type { Dialect } from '../dialect.ts'
import { refuseWithOAuthError } from './errors.ts'
import { introspectAction } from './introspect.ts'
import type { MetadataOptions } from './metadata.ts'
import { metadataAction } from './metadata.ts'
import { revokeAction } from './revoke.ts'

const WELL_KNOWN = '/.well-known/oauth-authorization-server'

/** What OAuth has for services, always at the root; its grant stands at `/token` of the canonical dialect. */
export function oauth(options: MetadataOptions): Dialect {
  return {
    name: 'oauth',
    refuse: () => refuseWithOAuthError,
    mount(app) {
      const manner = {
        name: 'oauth',
        tag: 'OAuth 2.0',
        requireAccessToken: requireAccessToken('Bearer'),
        refuse: refuseWithOAuthError,
      }
      const metadata = metadataAction(options)
      endpoint(app, manner, '/introspect', 'Introspect', { POST: introspectAction(options.issuer) })
      endpoint(app, manner, '/revoke', 'Revoke', { POST: revokeAction })
      endpoint(app, manner, WELL_KNOWN, 'Metadata', { GET: metadata })
      // RFC 8414, 3: of an issuer with a path the document stands before that path, if a proxy leads there.
      const { pathname } = new URL(options.publicUrl)
      if (pathname !== '/')
        endpoint(app, manner, WELL_KNOWN + pathname, 'Metadata', { GET: { ...metadata, hidden: true } })
    },
  }
}
