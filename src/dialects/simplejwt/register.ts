import { Type } from 'typebox'
import { callerOf } from '../../plugins/caller.ts'
import { action } from '../../plugins/endpoint.ts'
import type { Wording } from '../../plugins/refusal.ts'
import {
  ACCOUNT_FIELDS,
  accountFields,
  Email,
  Name,
  Password,
  Username,
  withRefusals,
} from '../drf/fields.ts'
import { fieldsOf } from '../drf/words.ts'
import { ASKED_FIELDS, profileIn } from './profile.ts'

const Text = Type.Optional(Type.String({ maxLength: 1024 }))
const Body = Type.Object(
  {
    username: Type.Optional(Username),
    email: Email,
    password: Password,
    name: Type.Optional(Name),
    first_name: Type.Optional(Name),
    surname: Type.Optional(Name),
    last_name: Type.Optional(Name),
    organizationType: Text,
    organizationName: Text,
    country: Text,
  },
  { additionalProperties: true, description: 'Any further field is kept in the profile.' },
)

const MISSING =
  'Missing required fields for User Profile creation. country ,organisation name, organisation type'
/** The name that the complaint goes by until it is said; no field can have it. */
const MISSING_FIELDS = ' '

const inWords: Wording = (refusal, request) => {
  const { [MISSING_FIELDS]: missing, ...fields } = fieldsOf(refusal, request)
  const isAll = missing !== undefined && Object.keys(fields).length === 0
  return { status: 400, body: isAll ? { error: MISSING } : fields }
}

export const registerAction = action({
  guard: 'register',
  summary: 'Create an account. With EMAIL_VERIFICATION=required it waits for the link in the letter.',
  body: Body,
  answers: withRefusals({
    201: Type.Object(ACCOUNT_FIELDS),
  }),
  words: { validation_failed: inWords },
  async handle(request, reply) {
    const { username, email, password, name, first_name, surname, last_name, ...rest } = request.body
    const profile = profileIn(rest)
    const isComplete = ASKED_FIELDS.every((field) => profile[field])
    const { account } = await request.server.auth.register(
      {
        username: (username ?? email).trim(),
        email: email.trim(),
        password,
        firstName: (name ?? first_name ?? '').trim(),
        lastName: (surname ?? last_name ?? '').trim(),
        profile,
      },
      callerOf(request),
      isComplete ? {} : { faults: { [MISSING_FIELDS]: [MISSING] } },
    )
    reply.code(201)
    return accountFields(account)
  },
})
