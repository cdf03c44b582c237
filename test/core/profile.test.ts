import t from 'tap'
import type { Profile } from '../../src/core/ports.ts'
import { freeProfile, isReservedName } from '../../src/core/profile.ts'

const anyProfile = freeProfile([])

const RESERVED = ['This name is reserved and cannot be a profile field.']

t.test(
  'names that mean something to us, to a token or to its readers are reserved, however they are spelled',
  (t) => {
    const reserved = [
      ...'id pk sub sid jti gen own iss aud iat exp nbf typ kid alg token_type user_id username email'.split(
        ' ',
      ),
      ...'email_verified is_active is_admin is_staff is_superuser role roles groups permissions scope'.split(
        ' ',
      ),
      ...'password password_hash new_password confirmPassword PASSWORD token_version created_at date_joined'.split(
        ' ',
      ),
      ...'__proto__ constructor prototype profile acr amr azp cnf act client_id non_field_errors'.split(' '),
      'isAdmin',
      'IsAdmin',
      'IS-ADMIN',
      'is admin',
      'is.admin',
      '_is_admin_',
      '\uff49\uff53\uff3f\uff41\uff44\uff4d\uff49\uff4e',
      'userId',
      'emailVerified',
      'firstName',
      'pass_word',
      'Role',
    ]
    for (const name of reserved) {
      t.ok(isReservedName(name), name)
      const faults = Object.values(anyProfile.faults({ [name]: true }))
      t.same(faults, [RESERVED], name)
    }
    for (const name of [
      'city',
      'organisation_type',
      'nickname',
      'locale',
      'rolex',
      'identity',
      'admin_unit',
      'x',
    ])
      t.notOk(isReservedName(name), name)
    t.end()
  },
)

t.test('without a schema a profile holds any scalars, up to a bound', (t) => {
  const fields = (count: number, value: Profile[string] = 1): Profile =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`field${index}`, value]))
  t.same(anyProfile.faults({}), {})
  t.same(anyProfile.faults({ city: 'K\u00f6ln', age: 36, newsletter: false, '\u57ce\u5e02': '' }), {})
  t.same(anyProfile.faults(fields(32)), {})
  t.same(anyProfile.faults(fields(33)), { profile: ['A profile may have up to 32 fields.'] })
  t.same(anyProfile.faults({ bio: 'a'.repeat(8000) }), {})
  t.same(anyProfile.faults({ bio: 'a'.repeat(8192) }), { profile: ['A profile may take up to 8192 bytes.'] })
  t.match(anyProfile.faults({ bio: '\u{1f600}'.repeat(2048) }), { profile: [/8192 bytes/] })
  for (const name of ['', 'a'.repeat(65), 'a\nb', 'a\0b', 'a\ud800'])
    t.match(Object.values(anyProfile.faults({ [name]: 1 })), [[/1 to 64 characters/]], JSON.stringify(name))
  const secret = 'my password is hunter2'
  t.notMatch(JSON.stringify(anyProfile.faults({ [secret]: 1 })), /hunter2/, 'a pasted secret is not repeated')
  t.end()
})

t.test('a claim is a field that is named, that is there, and that is not reserved', (t) => {
  const rules = freeProfile(['city', 'age', 'sub', 'is_admin', 'own'])
  t.same(anyProfile.claims({ city: 'Rom' }), {})
  t.same(rules.claims({ city: 'Rom', age: 36, bio: 'long' }), { city: 'Rom', age: 36 })
  t.same(rules.claims({ city: '', age: 0 }), { city: '', age: 0 }, 'what is empty is there')
  t.same(
    rules.claims({ sub: '1', is_admin: true, own: 'x', city: 'Rom' }),
    { city: 'Rom' },
    'whatever the row holds',
  )
  t.same(freeProfile(['toString', 'constructor']).claims({}), {}, 'nothing of a prototype')
  t.end()
})

t.test('claims stay within the room that a token has, and whoever writes too much is told', (t) => {
  const rules = freeProfile(['a', 'b', 'c'])
  const size = (profile: Profile) => Buffer.byteLength(JSON.stringify(rules.claims(profile)))
  t.same(rules.faults({ a: 'x'.repeat(500) }), {})
  t.match(rules.faults({ a: 'x'.repeat(600) }), { a: [/no room for all of it. Shorten it/] })
  t.same(
    rules.claims({ a: 'x'.repeat(600), b: 'y', c: 1 }),
    { b: 'y', c: 1 },
    'one that does not fit is left out',
  )
  t.match(rules.faults({ a: 'x'.repeat(300), b: 'y'.repeat(300) }), { b: [/Shorten/] })
  t.ok(
    size({ a: '"'.repeat(300), b: '\u{1f600}'.repeat(120), c: '\\'.repeat(250) }) <= 512,
    'counted as JSON',
  )
  t.end()
})
