import { Type } from 'typebox'
import { AuthError } from '../../core/errors.ts'
import type { Account } from '../../core/ports.ts'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import { claimsOf } from '../bearer.ts'
import { fields, Name, Password, renaming, trimmed, Username, withRefusals } from '../drf/fields.ts'
import { profileIn } from './profile.ts'

const Profile = Type.Object(
  {
    user_id: Type.Integer(),
    username: Type.String(),
    email: Type.String(),
    name: Type.String(),
    surname: Type.String(),
  },
  { additionalProperties: true, description: 'And every field of the profile' },
)

const ALWAYS_THERE = { organisation_type: '', organisation_name: '', country: '' }

function profileAnswer(account: Account) {
  return {
    ...ALWAYS_THERE,
    ...account.profile,
    user_id: account.id,
    username: account.username,
    email: account.email,
    name: account.firstName,
    surname: account.lastName,
  }
}

/** One's own account. */
export function accountActions() {
  const show = action({
    guard: 'access_token',
    summary: 'Your own profile, as it is now.',
    answers: withRefusals({ 200: Profile }),
    handle: async (request) => profileAnswer(await request.server.auth.findAccount(claimsOf(request))),
  })

  const edit = action({
    guard: 'access_token',
    summary: 'Change your profile: any of its fields.',
    description: 'A new address waits for the link in the letter that goes there.',
    body: Type.Object(
      {
        username: Type.Optional(Username),
        email: Type.Optional(Type.String({ maxLength: 400 })),
        name: Type.Optional(Name),
        surname: Type.Optional(Name),
      },
      { additionalProperties: true },
    ),
    answers: withRefusals({ 200: Profile }),
    async handle(request) {
      const { username, email, name, surname, ...rest } = request.body
      const change = {
        username: username && trimmed('username', username),
        email: email?.trim(),
        firstName: name?.trim(),
        lastName: surname?.trim(),
        password: undefined,
        profile: profileIn(rest),
        replaceProfile: false,
      }
      const { auth } = request.server
      return profileAnswer(await auth.overwriteAccount(claimsOf(request), change, callerOf(request)))
    },
  })

  const password = action({
    guard: 'access_token',
    summary: 'Change your password. Every other session ends.',
    body: fields({ old_password: Password, password: Password, confirm_password: Password }),
    answers: withRefusals({ 200: Type.Object({ status: Type.String() }) }),
    async handle(request) {
      const { old_password: current, password: fresh, confirm_password: again } = request.body
      if (fresh !== again) {
        throw new AuthError('validation_failed', { fields: { password: ["Password fields didn't match."] } })
      }
      await renaming(
        request.server.auth.changePassword(claimsOf(request), { current, fresh }, callerOf(request)),
        { current_password: 'old_password', new_password: 'password' },
        { 'This is not your present password.': 'Wrong old password' },
      )
      return { status: 'OK' }
    },
  })

  return { show, edit, password }
}
