import { Type } from 'typebox'
import { action } from '../../plugins/endpoint.ts'
import { withRefusals } from '../drf/fields.ts'

/** Endpoints that tell strangers who has an account, mounted only where the operator asks for them. */

const NOT_FOUND = { not_found: { status: 404, body: { error: 'User not found.' } } } as const

export const emailByUsernameAction = action({
  guard: 'login',
  summary: 'The address of an account, for anybody who knows its user name.',
  params: Type.Object({ username: Type.String({ maxLength: 400 }) }),
  answers: withRefusals({ 200: Type.Object({ email: Type.String() }) }),
  words: NOT_FOUND,
  async handle(request) {
    const { email } = await request.server.auth.revealAccount({ username: request.params.username })
    return { email }
  },
})

export const registrationStatusAction = action({
  guard: 'login',
  summary: 'Whether an address has an account, and whether that is active.',
  params: Type.Object({ email: Type.String({ maxLength: 400 }) }),
  answers: withRefusals({
    200: Type.Object({ email: Type.String(), is_registration_completed: Type.Boolean() }),
  }),
  words: NOT_FOUND,
  async handle(request) {
    const { email, activated, disabled } = await request.server.auth.revealAccount({
      email: request.params.email,
    })
    return { email, is_registration_completed: activated && !disabled }
  },
})
