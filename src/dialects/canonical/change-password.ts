import { Type } from 'typebox'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf } from '../bearer.ts'
import { Success, withProblems } from './answers.ts'

export const changePasswordAction = action({
  guard: 'access_token',
  summary: 'Change your password. Every other session ends; this one goes on with the tokens it has.',
  description:
    'A wrong current_password is 403 wrong_password and counts as a failed sign-in. The owner is told by letter;' +
    ' links that are under way, for a reset or a change of address, are void. The same password again is allowed' +
    ' unless PASSWORD_HISTORY forbids it.',
  body: Type.Object(
    {
      current_password: Type.String({ minLength: 1, maxLength: 1024 }),
      new_password: Type.String({ maxLength: 1024, description: 'Up to 1,024 bytes' }),
    },
    { additionalProperties: false },
  ),
  answers: withProblems({ 200: Success }),
  async handle(request, reply) {
    const { current_password: current, new_password: fresh } = request.body
    await request.server.auth.changePassword(claimsOf(request), { current, fresh }, callerOf(request))
    reply.header('cache-control', 'no-store')
    return { success: true }
  },
})
