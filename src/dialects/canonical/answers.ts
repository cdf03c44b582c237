import type { FastifyReply } from 'fastify'
import type { Static, TSchema } from 'typebox'
import { Type } from 'typebox'
import type { Grant } from '../../core/grant.ts'
import type { Account } from '../../core/ports.ts'
import type { RefreshCookie } from '../refresh-cookie.ts'

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

const Access = { access: Type.String({ description: 'The access token, a JWT' }) }
const Refresh = {
  refresh: Type.String({
    description: 'The refresh token; each refresh gives another one. Store it before use',
  }),
}
const Rest = {
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer({ description: 'Life of the access token in seconds' }),
  access_for: Type.Optional(
    Type.Record(Type.String(), Type.String(), {
      description:
        'Access tokens for other services, by the audience that was asked for; they open nothing here',
    }),
  ),
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
}
const BodyTokenAnswer = Type.Object({ ...Access, ...Refresh, ...Rest })
const CookieTokenAnswer = Type.Object({ ...Access, ...Rest })

/** How tokens are handed out: both in the body, or the refresh token in a cookie and nowhere else. */
export interface TokenAnswers {
  readonly schema: TSchema
  answer(reply: FastifyReply, grant: Grant): object
}

export function tokenAnswers(cookie: RefreshCookie | undefined): TokenAnswers {
  return {
    schema: cookie === undefined ? BodyTokenAnswer : CookieTokenAnswer,
    answer(reply, grant) {
      reply.header('cache-control', 'no-store')
      if (cookie === undefined) return { refresh: grant.refresh, ...accessAnswer(grant) }
      cookie.set(reply, grant)
      return accessAnswer(grant)
    },
  }
}

function accessAnswer(grant: Grant): Static<typeof CookieTokenAnswer> {
  const { account } = grant
  return {
    access: grant.access,
    token_type: 'Bearer',
    expires_in: grant.expiresIn,
    ...(grant.forAudiences.length > 0 && { access_for: Object.fromEntries(grant.forAudiences) }),
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

export const AccountAnswer = Type.Object({
  username: Type.String(),
  email: Type.String(),
  first_name: Type.String(),
  last_name: Type.String(),
  is_active: Type.Boolean({ description: 'False until the address is confirmed, where that is required' }),
  profile: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
})

/** An address, for a letter: what is wrong with it is said by the verb, to a browser on a page. */
export const EmailBody = Type.Object({ email: Type.String() }, { additionalProperties: false })

/** The token of a letter, in the link and in what its page sends; whatever it is not, it is one answer. */
export const TokenQuery = Type.Object({ token: Type.Optional(Type.String()) })
export const TokenBody = Type.Object({ token: Type.String() }, { additionalProperties: false })

export const Success = Type.Object({ success: Type.Literal(true) })

/** The refusals that any endpoint may give, for the document. */
export function withProblems<T extends object>(answers: T) {
  return { ...answers, '4xx': Problem, '5xx': Problem }
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
