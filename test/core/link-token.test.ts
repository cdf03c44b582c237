import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { LinkPurpose } from '../../src/core/link-token.ts'
import { encodeLinkToken, isGenuine, LINK_PURPOSES, readLinkToken } from '../../src/core/link-token.ts'
import { createServerKeys } from '../../src/core/server-keys.ts'

const FIRST = { kid: '2026-01', secret: Buffer.alloc(32, 1) }
const SECOND = { kid: '2026-02', secret: Buffer.alloc(32, 2) }
const keys = createServerKeys([FIRST])
const PURPOSES = Object.keys(LINK_PURPOSES) as LinkPurpose[]

const link = { userId: 4711, issuedAt: Date.UTC(2026, 0, 1), state: ['ada@example.org', 'unverified'] }

function opens(purpose: LinkPurpose, token: string, state: readonly string[], by = keys): boolean {
  const claims = readLinkToken(purpose, token)
  return claims !== undefined && isGenuine(by, purpose, claims, state)
}

t.test('a link says whom it is for and when it was made, and opens in the state it was made for', (t) => {
  const anyLink = fc.record({
    userId: fc.maxSafeNat(),
    issuedAt: fc.maxSafeNat(),
    state: fc.array(fc.string({ unit: 'binary' }), { maxLength: 4 }),
  })
  fc.assert(
    fc.property(fc.constantFrom(...PURPOSES), anyLink, (purpose, link) => {
      const token = encodeLinkToken(keys, purpose, link)
      const { userId, issuedAt } = readLinkToken(purpose, token) ?? {}
      return userId === link.userId && issuedAt === link.issuedAt && opens(purpose, token, link.state)
    }),
    { numRuns: 300 },
  )
  t.pass('300 links')
  t.end()
})

t.test('a link is void once any part of its state has changed', (t) => {
  const token = encodeLinkToken(keys, 'verify_email', link)
  const others = [
    ['ada@example.org', 'verified'],
    ['eve@example.org', 'unverified'],
    ['unverified', 'ada@example.org'],
    ['ada@example.org'],
    ['ada@example.org', 'unverified', ''],
    ['', 'ada@example.org', 'unverified'],
    ['ada@example.orgunverified'],
    ['ada@example.orgu', 'nverified'],
    [],
  ]
  for (const state of others) t.notOk(opens('verify_email', token, state), JSON.stringify(state))
  t.end()
})

t.test('no two states run together into one', (t) => {
  const anyState = fc.array(fc.string({ maxLength: 3 }), { maxLength: 3 })
  fc.assert(
    fc.property(anyState, anyState, (one, other) => {
      const token = encodeLinkToken(keys, 'verify_email', { ...link, state: one })
      return opens('verify_email', token, other) === isDeepStrictEqual(one, other)
    }),
    { numRuns: 1000 },
  )
  t.pass('1,000 pairs')
  t.end()
})

t.test('a link for one purpose is nothing to another', (t) => {
  for (const made of PURPOSES) {
    for (const used of PURPOSES) {
      t.equal(opens(used, encodeLinkToken(keys, made, link), link.state), used === made, `${made} as ${used}`)
    }
  }
  const bytes = Buffer.from(encodeLinkToken(keys, 'verify_email', link), 'base64url')
  bytes.writeUInt8(LINK_PURPOSES.reset_password, 0)
  t.notOk(opens('reset_password', bytes.toString('base64url'), link.state), 'nor with the purpose rewritten')
  t.end()
})

t.test('a link with any one bit changed does not open', (t) => {
  const bytes = Buffer.from(encodeLinkToken(keys, 'verify_email', link), 'base64url')
  const opened: string[] = []
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes)
    changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    if (opens('verify_email', changed.toString('base64url'), link.state)) opened.push(`byte ${bit >> 3}`)
  }
  t.same(opened, [], `${bytes.length * 8} bits`)
  t.end()
})

t.test('a link has one spelling', (t) => {
  const token = encodeLinkToken(keys, 'verify_email', { ...link, userId: 0xfb_ff_bf })
  t.equal(token.length, 56, 'short enough for one line of a letter')
  t.match(token, /[-_]/, 'the token shows the letters in which the alphabets differ')
  const aliases = [
    token.replaceAll('-', '+').replaceAll('_', '/'),
    `${token}=`,
    `${token}\n`,
    ` ${token}`,
    `${token}A`,
    token.slice(0, -1),
    `${token.slice(0, 10)}.${token.slice(11)}`,
    '',
  ]
  for (const alias of aliases) t.equal(readLinkToken('verify_email', alias), undefined, JSON.stringify(alias))
  t.end()
})

t.test('a link opens while its key is in the ring, and only then', (t) => {
  const token = encodeLinkToken(keys, 'verify_email', link)
  t.ok(opens('verify_email', token, link.state, createServerKeys([SECOND, FIRST])), 'after a rotation')
  t.notOk(opens('verify_email', token, link.state, createServerKeys([SECOND])), 'its key has left')
  const namesake = createServerKeys([{ ...FIRST, secret: Buffer.alloc(32, 9) }])
  t.notOk(opens('verify_email', token, link.state, namesake), 'same name, other secret')
  t.end()
})

t.test('numbers that JavaScript cannot hold are refused, not rounded', (t) => {
  for (const offset of [2, 10]) {
    const bytes = Buffer.from(encodeLinkToken(keys, 'verify_email', link), 'base64url')
    bytes.writeBigUInt64BE(2n ** 53n, offset)
    t.equal(readLinkToken('verify_email', bytes.toString('base64url')), undefined)
  }
  t.end()
})

t.test('garbage is refused and never throws', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary' }), fc.base64String({ minLength: 56, maxLength: 56 })),
      (text) => !opens('verify_email', text, link.state),
    ),
    { numRuns: 500 },
  )
  t.pass('500 texts')
  t.end()
})
