import t from 'tap'
import { judgeLetter } from '../../src/core/letter.ts'
import { VERIFY_LINK_TTL_SECONDS } from '../../src/core/policy.ts'
import type { AddressOwner, DueLetter } from '../../src/core/ports.ts'

const CREATED_AT = Date.UTC(2026, 0, 1)
const OWNER: AddressOwner = {
  userId: 1,
  username: 'owner',
  email: 'Ada@example.com',
  verifiedAt: CREATED_AT - 1,
}

t.test(
  'while nobody has verified the address, the letter asks its account to, with the life that its link has left',
  async (t) => {
    t.strictSame(judgeLetter(due({ now: CREATED_AT + 1000 })), {
      verdict: 'verify_email',
      to: { address: 'ada@example.com', username: 'ada' },
      link: { issuedAt: CREATED_AT, goodForSeconds: VERIFY_LINK_TTL_SECONDS - 1 },
    })
  },
)

t.test('once the address has an owner, only the owner is written to, whoever asked', async (t) => {
  const note = { verdict: 'already_registered', to: { address: 'Ada@example.com', username: 'owner' } }
  t.strictSame(judgeLetter(due({ owner: OWNER })), note)
  t.strictSame(judgeLetter(due({ owner: { ...OWNER, verifiedAt: CREATED_AT + 1 } })), note)
  t.strictSame(judgeLetter(due({ owner: { ...OWNER, userId: 7 } })), note, 'its own account asked again')
})

t.test(
  'a letter is dropped when the account confirmed in the meantime, has no address, or the link would be dead',
  async (t) => {
    const dropped = (reason: string) => ({ verdict: 'drop', reason })
    t.strictSame(
      judgeLetter(due({ owner: { ...OWNER, userId: 7, verifiedAt: CREATED_AT + 1 } })),
      dropped('overtaken'),
    )
    t.strictSame(judgeLetter(due({ addressKey: '' })), dropped('no_address'))
    t.strictSame(judgeLetter(due({ now: CREATED_AT + VERIFY_LINK_TTL_SECONDS * 1000 })), dropped('expired'))
    t.match(judgeLetter(due({ now: CREATED_AT + VERIFY_LINK_TTL_SECONDS * 1000 - 1 })), {
      verdict: 'verify_email',
    })
  },
)

function due(changes: Partial<DueLetter>): DueLetter {
  return {
    id: '01890000-0000-7000-8000-000000000000',
    kind: 'verification',
    attempt: 1,
    createdAt: CREATED_AT,
    now: CREATED_AT,
    addressKey: 'ada@example.com',
    owner: undefined,
    account: {
      id: 7,
      username: 'ada',
      email: 'ada@example.com',
      emailVerified: false,
      firstName: '',
      lastName: '',
      roles: [],
      profile: {},
      activated: false,
      disabled: false,
      createdAt: CREATED_AT,
      lastLoginAt: undefined,
    },
    ...changes,
  }
}
