import type { FastifyReply, FastifyRequest } from 'fastify'
import { refusalPage } from '../../pages/error.ts'
import type { Refusal, RefusalCode } from '../../plugins/refusal.ts'
import { asksForPage } from './forms.ts'

/** How the canonical dialect says a refusal, in its answers and on the page `/errors/:code`. */
export interface Words {
  readonly status: number
  readonly title: string
  /** What happened and what to do about it, for whoever reads the answer. */
  readonly detail: string
}

export const WORDS: Readonly<Record<RefusalCode, Words>> = {
  validation_failed: {
    status: 400,
    title: 'Some fields are not valid',
    detail:
      'The member "errors" says, for each field, what is wrong with it. Correct the fields and send it again.',
  },
  bad_request: {
    status: 400,
    title: 'The request cannot be understood',
    detail: 'Its path, headers or body break the rules of HTTP. Check what your client sends.',
  },
  malformed_body: {
    status: 400,
    title: 'The body cannot be read',
    detail: 'It is not what its Content-Type says, or it says something twice. Check what your client sends.',
  },
  payload_too_large: {
    status: 413,
    title: 'The body is too large',
    detail: 'Send less: no endpoint needs more than a few kilobytes, and files are never taken.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The body has a type that is not read here',
    detail: 'Send application/json, application/x-www-form-urlencoded or multipart/form-data, in UTF-8.',
  },
  link_invalid: {
    status: 400,
    title: 'The link is not valid any more',
    detail: 'It was used already, is too old, or something it was made for has changed. Ask for a new one.',
  },
  token_missing: {
    status: 401,
    title: 'An access token is needed',
    detail: 'Send it in the header: Authorization: Bearer <access token>.',
  },
  invalid_token: {
    status: 401,
    title: 'The access token is not valid',
    detail: 'It has expired, its session has ended, or it was not made here. Refresh, or sign in again.',
  },
  invalid_credentials: {
    status: 401,
    title: 'No account matches these credentials',
    detail: 'Check the user name or e-mail address and the password.',
  },
  invalid_client: {
    status: 401,
    title: 'Credentials of a service are needed',
    detail: 'Send the id and the secret of one of SERVICE_CLIENTS by HTTP Basic.',
  },
  refresh_invalid: {
    status: 401,
    title: 'The refresh token is not valid',
    detail: 'It was not made here, or its session is gone. Sign in again.',
  },
  refresh_expired: {
    status: 401,
    title: 'The session has expired',
    detail: 'It has reached its end, or was not used for too long. Sign in again.',
  },
  refresh_overtaken: {
    status: 409,
    title: 'Newer tokens have been handed out meanwhile',
    detail: 'Read your storage again: another tab or request has stored a newer refresh token. Use that one.',
  },
  session_revoked: {
    status: 401,
    title: 'The session has been ended',
    detail: 'It was signed out, or ended for safety. Sign in again.',
  },
  refresh_replayed: {
    status: 401,
    title: 'The refresh token was used before',
    detail: 'Somebody else may hold a copy, so the session was ended for safety. Sign in again.',
  },
  wrong_password: {
    status: 403,
    title: 'The password is not the present one',
    detail: 'Send the present password of the account; wrong ones count with failed sign-ins.',
  },
  account_not_verified: {
    status: 403,
    title: 'The e-mail address is not confirmed yet',
    detail: 'Open the link in the letter that was sent, or ask for another one at /resend-verification.',
  },
  account_disabled: {
    status: 403,
    title: 'The account is disabled',
    detail: 'Ask the people who run this service.',
  },
  origin_refused: {
    status: 403,
    title: 'This web page may not ask for that',
    detail:
      'With a refresh cookie, requests need the header Origin, and it must be that of this service or one of CORS_ORIGINS.',
  },
  registration_closed: {
    status: 403,
    title: 'Registration is closed',
    detail: 'New accounts cannot be made here. Ask the people who run this service.',
  },
  not_found: {
    status: 404,
    title: 'There is nothing here',
    detail: 'Check the path; /docs lists every endpoint.',
  },
  method_not_allowed: {
    status: 405,
    title: 'The method is not allowed here',
    detail: 'The header Allow names the methods that are.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    detail: 'Wait for the seconds that the header Retry-After names.',
  },
  internal_error: {
    status: 500,
    title: 'Something went wrong here',
    detail: 'It is recorded under the request id of this answer. Tell the people who run this service.',
  },
  unavailable: {
    status: 503,
    title: 'The service cannot answer at the moment',
    detail:
      'Send the same request again after the seconds that the header Retry-After names; nothing is lost.',
  },
}

/** Answers by RFC 9457, `application/problem+json`; a 401 with its challenge (RFC 6750). */
export function refuseWithProblem(publicUrl: string) {
  return (refusal: Refusal, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const { code, fields, retryAfterSeconds } = refusal
    const { status, title, detail } = WORDS[code]
    if (status === 401) reply.header('www-authenticate', challenge(code))
    if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds)
    if (request.routeOptions.config.page === true && asksForPage(request)) {
      const words = { title, detail: refusal.detail ?? detail, retryAfterSeconds, requestId: request.id }
      return reply.sendPage(refusalPage(words), status)
    }
    return reply
      .code(status)
      .header('cache-control', 'no-store')
      .type('application/problem+json; charset=utf-8')
      .serializer(JSON.stringify)
      .send({
        ...request.routeOptions.config.besideRefusal,
        type: `${publicUrl}/errors/${code}`,
        title,
        status,
        detail: refusal.detail ?? detail,
        code,
        ...(fields === undefined ? {} : { errors: fields }),
        request_id: request.id,
      })
  }
}

/** RFC 6750, 3: no error code where the request had no token at all. */
function challenge(code: RefusalCode): string {
  if (code === 'invalid_client') return 'Basic realm="keyturn", charset="UTF-8"'
  return code === 'invalid_token' ? 'Bearer realm="keyturn", error="invalid_token"' : 'Bearer realm="keyturn"'
}
