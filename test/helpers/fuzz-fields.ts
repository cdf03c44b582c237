import fc from 'fast-check'
import { HOSTILE } from './hostile.ts'

/** Where fields go, and which of them mean something there. */
export const TAKES: Readonly<Record<string, readonly string[]>> = {
  'POST /token': ['username', 'email', 'password'],
  'POST /refresh': ['refresh'],
  'POST /logout': ['refresh'],
  'POST /register': ['username', 'email', 'password', 'first_name', 'city'],
  'POST /verify-email': ['token'],
  'POST /reset': ['token', 'password'],
  'POST /request-reset': ['email'],
  'PATCH /user': ['first_name', 'last_name', 'city'],
  'PUT /user': ['first_name', 'city'],
  'POST /change-password': ['current_password', 'new_password'],
  'POST /change-email': ['email', 'password'],
  'POST /introspect': ['token', 'token_type_hint'],
  'POST /knox/login': ['username', 'password'],
  'POST /auth/signup': ['username', 'email', 'password1', 'password2'],
}

/** Stands for what the account that asks has there: a good password, a living token. */
export const MINE = Symbol('mine')
export type Given = readonly [name: string, value: string | typeof MINE]

const texts: fc.Arbitrary<string | typeof MINE> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(MINE) },
  { weight: 3, arbitrary: fc.constantFrom(...HOSTILE) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(321), 'x'.repeat(1025), 'x'.repeat(9000)) },
)

const absent = fc.constant(undefined)

/** Fields for a place that takes some: all of them or not, a name that it does not know, a name twice. */
export const fieldsSomewhere: fc.Arbitrary<readonly [place: string, given: Given[]]> = fc
  .constantFrom(...Object.entries(TAKES))
  .chain(([place, names]) => {
    const stated = names.map((name) =>
      fc.option(
        texts.map((value): Given => [name, value]),
        { nil: undefined, freq: 8 },
      ),
    )
    const more = fc.tuple(fc.constantFrom('is_admin', 'unknown', '__proto__', ...names), texts)
    const seldom = fc.oneof<fc.MaybeWeightedArbitrary<Given | undefined>[]>(
      { weight: 6, arbitrary: absent },
      { weight: 1, arbitrary: more },
    )
    return fc
      .tuple(...stated, seldom)
      .map((all) => [place, all.filter((each): each is Given => each !== undefined)] as const)
  })
