import { Type } from 'typebox'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf } from '../bearer.ts'
import { withProblems } from './answers.ts'

const Status = Type.Object({
  is_authenticated: Type.Literal(true),
  user_id: Type.Integer(),
  username: Type.String(),
  email: Type.String(),
  first_name: Type.String(),
  last_name: Type.String(),
  is_admin: Type.Boolean(),
  roles: Type.Array(Type.String()),
  session_id: Type.String(),
  expires_at: Type.Integer({ description: 'When the access token expires, seconds since 1970' }),
  expires_in: Type.Integer({ description: 'Seconds until then' }),
  server_time: Type.Integer({ description: 'Seconds since 1970, here' }),
  next_check_in: Type.Integer({
    description:
      'Seconds until whoever polls should ask again: sooner near expiry, and not when all others do',
  }),
})

export const checkAuthStatusAction = action({
  guard: 'access_token',
  summary: 'Whose access token is this, and is it still good?',
  description:
    'From the token alone, so it may be polled. X-Auth-User-Id, X-Auth-Username (percent-encoded UTF-8) and' +
    ' X-Auth-Roles say the same in headers, for nginx auth_request, Traefik or Caddy.',
  // It waits for nothing, and is asked more often than all else together.
  answers: withProblems({ 200: Status }),
  besideRefusal: { is_authenticated: false },
  handle(request, reply) {
    const claims = claimsOf(request)
    const now = Math.floor(request.server.auth.now() / 1000)
    reply.headers({
      'cache-control': 'no-store',
      'x-auth-user-id': claims.sub,
      'x-auth-username': encodeURIComponent(claims.username),
      'x-auth-roles': claims.roles.map(encodeURIComponent).join(','),
    })
    return reply.send({
      is_authenticated: true,
      user_id: claims.user_id,
      username: claims.username,
      email: claims.email,
      first_name: claims.first_name,
      last_name: claims.last_name,
      is_admin: claims.roles.includes('admin'),
      roles: claims.roles,
      session_id: claims.sid,
      expires_at: claims.exp,
      expires_in: claims.exp - now,
      server_time: now,
      next_check_in: request.server.auth.nextCheckIn(claims.exp - now),
    })
  },
})
