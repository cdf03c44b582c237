import type { FastifyReply } from 'fastify'
import type { Static } from 'typebox'
import { Type } from 'typebox'
import type { Grant } from '../../core/grant.ts'
import type { Account } from '../../core/ports.ts'

/** A refusal, RFC 9457. */
export const Problem = Type.Object(
  {
    type: Type.String({ format: 'uri', description: 'A page that explains the code' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What happened and what to do' }),
    code: Type.String({ description: 'Stable; decide by this' }),
    errors: Type.Optional(
      Type.Record(Type.String(), Type.Array(Type.String()), {
        description: 'For each wrong field what is wrong',
      }),
    ),
    request_id: Type.String(),
  },
  { $id: 'Problem', description: 'A refusal (RFC 9457)' },
)

export const TokenAnswer = Type.Object({
  access: Type.String({ description: 'The access token, a JWT' }),
  refresh: Type.String({
    description: 'The refresh token; each refresh gives another one. Store it before use',
  }),
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer({ description: 'Life of the access token in seconds' }),
  refresh_expires_in: Type.Integer({
    description: 'Life of the refresh token in seconds, if it is not used',
  }),
  user: Type.Object({
    id: Type.Integer(),
    username: Type.String(),
    email: Type.String(),
    first_name: Type.String(),
    last_name: Type.String(),
    roles: Type.Array(Type.String()),
  }),
})

export const AccountAnswer = Type.Object({
  username: Type.String(),
  email: Type.String(),
  first_name: Type.String(),
  last_name: Type.String(),
  is_active: Type.Boolean({ description: 'False until the address is confirmed, where that is required' }),
  profile: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
})

export const Success = Type.Object({ success: Type.Literal(true) })

/** The refusals that any endpoint may give, for the document. */
export function withProblems<T extends object>(answers: T) {
  return { ...answers, '4xx': Problem, '5xx': Problem }
}

/** Both tokens and whose they are. Never to be kept by a cache. */
export function tokenAnswer(reply: FastifyReply, grant: Grant): Static<typeof TokenAnswer> {
  reply.header('cache-control', 'no-store')
  const { account } = grant
  return {
    access: grant.access,
    refresh: grant.refresh,
    token_type: 'Bearer',
    expires_in: grant.expiresIn,
    refresh_expires_in: grant.refreshExpiresIn,
    user: {
      id: account.id,
      username: account.username,
      email: account.email,
      first_name: account.firstName,
      last_name: account.lastName,
      roles: [...account.roles],
    },
  }
}

export function accountAnswer(account: Account): Static<typeof AccountAnswer> {
  return {
    username: account.username,
    email: account.email,
    first_name: account.firstName,
    last_name: account.lastName,
    is_active: account.activated && !account.disabled,
    profile: account.profile,
  }
}
