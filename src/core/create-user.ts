import type { Names } from './identity.ts'
import { emailFaults, keptNames, nameFaults, refuseFaults, usernameFaults } from './identity.ts'
import type { OperatorNeeds } from './operator.ts'
import { passwordFaults } from './password-policy.ts'
import type { Account, Caller, PasswordHash } from './ports.ts'

export interface NewUser extends Names {
  /** `undefined` for an account whose owner asks for a password by mail. */
  readonly password: string | undefined
  readonly roles: readonly string[]
  /** Whether the operator vouches for the address. */
  readonly emailVerified: boolean
}

/** Matches no password, in Django's own form. */
const NO_PASSWORD = '!' as PasswordHash

/**
 * Creates an account at the word of an operator: active at once, whatever REGISTRATION and EMAIL_VERIFICATION say.
 * An address of the service itself is not refused, as it is to strangers: whoever runs the service may read its mail.
 * @throws AuthError `validation_failed` with every complaint at once, `unavailable`
 */
export async function createUser(needs: OperatorNeeds, input: NewUser, caller: Caller): Promise<Account> {
  const { username, email, password, firstName, lastName } = input
  refuseFaults({
    username: usernameFaults(username, email),
    email: email === '' ? [] : emailFaults(email),
    password: password === undefined ? [] : await passwordFaults(needs, password, input),
    first_name: nameFaults(firstName),
    last_name: nameFaults(lastName),
    roles: input.roles.every((role) => ROLE.test(role)) ? [] : ['A role is 1 to 64 of A-Z a-z 0-9 . _ -'],
  })
  const created = await needs.accounts.create(
    {
      ...keptNames(input),
      emailVerified: input.emailVerified && email !== '',
      activated: true,
      passwordHash: password === undefined ? NO_PASSWORD : await needs.passwords.hash(password),
      profile: {},
    },
    undefined,
    caller,
  )
  if (created === 'username_taken') refuseFaults({ username: ['A user with that username already exists.'] })
  if (created === 'email_taken') refuseFaults({ email: ['A user with that email already exists.'] })
  if (typeof created === 'string') throw new Error('a refusal that refuses nothing')
  if (input.roles.length > 0) await needs.operator.setRoles(created.id, [...new Set(input.roles)])
  return { ...created, roles: input.roles }
}

const ROLE = /^[\w.-]{1,64}$/
