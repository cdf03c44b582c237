import { Type } from 'typebox'
import { action } from '../../plugins/endpoint.ts'
import { WireError } from '../../plugins/refusal.ts'

/** What there is to tell of this service. */
export interface MetadataOptions {
  /** JWT_ISSUER: the `iss` of access tokens. */
  readonly issuer: string
  readonly publicUrl: string
  /** Where the canonical dialect has its endpoints. */
  readonly home: string
  /** Where the public keys are; `undefined` where access tokens are signed with a shared key, which is never shown. */
  readonly jwksUrl: string | undefined
  /** Whether the token endpoint grants anything: not where the refresh token travels in a cookie. */
  readonly grants: boolean
  /** Whether there is any service that `/introspect` and `/revoke` would let in. */
  readonly hasServiceClients: boolean
}

const BASIC = ['client_secret_basic']
const urls = Type.Optional(Type.String({ format: 'uri' }))
const lists = Type.Optional(Type.Array(Type.String()))

const Metadata = Type.Object({
  issuer: Type.String({ format: 'uri' }),
  token_endpoint: Type.String({ format: 'uri' }),
  token_endpoint_auth_methods_supported: Type.Array(Type.String()),
  grant_types_supported: Type.Array(Type.String()),
  response_types_supported: Type.Array(Type.String()),
  service_documentation: Type.String({ format: 'uri' }),
  jwks_uri: urls,
  introspection_endpoint: urls,
  introspection_endpoint_auth_methods_supported: lists,
  revocation_endpoint: urls,
  revocation_endpoint_auth_methods_supported: lists,
})

/** RFC 8414, and nothing in it that is not so. */
export function metadataAction(options: MetadataOptions) {
  const metadata = metadataOf(options)
  return action({
    guard: 'open',
    summary: 'What a client of OAuth 2.0 needs to know (RFC 8414).',
    description:
      'Not there where JWT_ISSUER is no URL, for an issuer that no URL leads to cannot be discovered.',
    answers: { 200: Metadata },
    handle(_request, reply) {
      if (metadata === undefined) throw new WireError('not_found')
      return reply.header('cache-control', 'public, max-age=300').send(metadata)
    },
  })
}

function metadataOf({ issuer, publicUrl, home, jwksUrl, grants, hasServiceClients }: MetadataOptions) {
  if (!/^https?:\/\/[^?#]+$/.test(issuer)) return undefined
  return {
    issuer,
    token_endpoint: `${home}/token`,
    token_endpoint_auth_methods_supported: ['none', ...(hasServiceClients ? BASIC : [])],
    // Left out, it would mean authorization_code and implicit (RFC 8414, 2), so it is told even where it is empty.
    grant_types_supported: grants ? ['refresh_token'] : [],
    // Required, and empty: there is no authorization endpoint.
    response_types_supported: [],
    service_documentation: `${publicUrl}/docs`,
    ...(jwksUrl !== undefined && { jwks_uri: jwksUrl }),
    ...(hasServiceClients && {
      introspection_endpoint: `${publicUrl}/introspect`,
      introspection_endpoint_auth_methods_supported: BASIC,
      revocation_endpoint: `${publicUrl}/revoke`,
      revocation_endpoint_auth_methods_supported: BASIC,
    }),
  }
}
