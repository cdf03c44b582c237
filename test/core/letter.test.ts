import t from 'tap'
import { judgeLetter, letterDiesAt } from '../../src/core/letter.ts'
import type { AddressOwner, DueLetter } from '../../src/core/letter-ports.ts'
import {
  EMAIL_LINK_TTL_SECONDS,
  NOTICE_TTL_SECONDS,
  RESET_LINK_TTL_SECONDS,
  UNDO_LINK_TTL_SECONDS,
  VERIFY_LINK_TTL_SECONDS,
} from '../../src/core/policy.ts'
import type { AccountWithHash, LetterKind, PasswordHash } from '../../src/core/ports.ts'

const CREATED_AT = Date.UTC(2026, 0, 1)
const OWNER: AddressOwner = {
  userId: 1,
  username: 'owner',
  email: 'Ada@example.com',
  verifiedAt: CREATED_AT - 1,
}
const ITSELF: AddressOwner = { ...OWNER, userId: 7, username: 'ada' }
const FACTS = { label: 'Firefox on Windows', ip: '192.0.2.1' }
const ADA = { address: 'ada@example.com', username: 'ada' }
const NEW = { address: 'New@example.org', key: 'new@example.org' }
const OLD = { address: 'Old@example.com', key: 'old@example.com' }
const NOTICES = ['password_changed', 'new_device', 'session_ended'] as const

const TTL_SECONDS: Readonly<Record<LetterKind, number>> = {
  verification: VERIFY_LINK_TTL_SECONDS,
  reset: RESET_LINK_TTL_SECONDS,
  email_change: EMAIL_LINK_TTL_SECONDS,
  email_change_notice: UNDO_LINK_TTL_SECONDS,
  password_changed: NOTICE_TTL_SECONDS,
  new_device: NOTICE_TTL_SECONDS,
  session_ended: NOTICE_TTL_SECONDS,
}

const dropped = (reason: string) => ({ verdict: 'drop', reason })
const already = { verdict: 'already_registered', to: { address: 'Ada@example.com', username: 'owner' } }

t.test(
  'while nobody has verified the address, the letter asks its account to, with the life that its link has left',
  async (t) => {
    t.strictSame(judgeLetter(due('verification', { now: CREATED_AT + 1000 })), {
      verdict: 'verify_email',
      to: ADA,
      link: { issuedAt: CREATED_AT, goodForSeconds: VERIFY_LINK_TTL_SECONDS - 1 },
    })
  },
)

t.test('once the address has an owner, only the owner is written to, whoever asked', async (t) => {
  const judge = (owner: AddressOwner) => judgeLetter(due('verification', { owner }))
  t.strictSame(judge(OWNER), already)
  t.strictSame(judge({ ...OWNER, verifiedAt: CREATED_AT + 1 }), already)
  t.match(judge(ITSELF), { verdict: 'already_registered' }, 'its own account asked again')
})

t.test('a verification letter is dropped when the account confirmed in the meantime', async (t) => {
  const owner = { ...ITSELF, verifiedAt: CREATED_AT + 1 }
  t.strictSame(judgeLetter(due('verification', { owner })), dropped('overtaken'))
})

t.test('a letter is dropped from the moment on at which its link would be dead', async (t) => {
  for (const [kind, ttl] of Object.entries(TTL_SECONDS) as [LetterKind, number][]) {
    t.equal(letterDiesAt({ kind, createdAt: CREATED_AT }), CREATED_AT + ttl * 1000)
    t.strictSame(judgeLetter(due(kind, { now: CREATED_AT + ttl * 1000 })), dropped('expired'), kind)
    t.not(judgeLetter(due(kind, { now: CREATED_AT + ttl * 1000 - 1 })).verdict, 'drop', kind)
  }
})

t.test('an account without an address is written to by nobody', async (t) => {
  for (const kind of ['verification', 'reset', ...NOTICES] as const)
    t.strictSame(judgeLetter(due(kind, { emailKey: '' })), dropped('no_address'), kind)
  for (const kind of ['email_change', 'email_change_notice'] as const)
    t.strictSame(judgeLetter(due(kind, { goesTo: undefined })), dropped('no_address'), kind)
})

t.test('no link goes to an account that is switched off; a notice does', async (t) => {
  const disabled = account({ disabled: true })
  for (const kind of ['verification', 'reset', 'email_change'] as const)
    t.strictSame(judgeLetter(due(kind, { account: disabled })), dropped('disabled'), kind)
  for (const kind of ['email_change_notice', ...NOTICES] as const)
    t.not(judgeLetter(due(kind, { account: disabled })).verdict, 'drop', kind)
})

t.test('a letter of reset goes to the stored address, unless that has found another owner', async (t) => {
  const link = { issuedAt: CREATED_AT, goodForSeconds: RESET_LINK_TTL_SECONDS }
  t.strictSame(judgeLetter(due('reset', {})), { verdict: 'reset_password', to: ADA, link })
  t.match(judgeLetter(due('reset', { owner: ITSELF })), { verdict: 'reset_password', to: ADA })
  t.strictSame(judgeLetter(due('reset', { owner: OWNER })), dropped('overtaken'))
})

t.test(
  'the link that confirms a new address goes there, while that is still the one asked for',
  async (t) => {
    t.strictSame(judgeLetter(due('email_change', {})), {
      verdict: 'change_email',
      to: { address: 'New@example.org', username: 'ada' },
      link: { issuedAt: CREATED_AT, goodForSeconds: EMAIL_LINK_TTL_SECONDS },
    })
    t.match(
      judgeLetter(due('email_change', { owner: ITSELF })),
      { verdict: 'change_email' },
      'its own already',
    )
    for (const pendingEmailKey of ['', 'other@example.org'])
      t.strictSame(judgeLetter(due('email_change', { pendingEmailKey })), dropped('overtaken'))
  },
)

t.test(
  'when the new address belongs to somebody else, that owner is told where he is stored, and nobody else learns of it',
  async (t) => {
    t.strictSame(judgeLetter(due('email_change', { owner: OWNER })), already)
  },
)

t.test(
  'the way back goes to the old address: before the change, after it, and after any that followed',
  async (t) => {
    const notice = {
      verdict: 'email_change_notice',
      to: { address: 'Old@example.com', username: 'ada' },
      deed: { at: CREATED_AT, ...FACTS },
      link: { issuedAt: CREATED_AT, goodForSeconds: UNDO_LINK_TTL_SECONDS },
    }
    const former = (key: string) => ({ email: key, emailKey: key, replacedAt: 0 })
    const changed = { emailKey: NEW.key, pendingEmailKey: '' }
    t.strictSame(judgeLetter(due('email_change_notice', {})), notice)
    t.strictSame(
      judgeLetter(due('email_change_notice', { ...changed, formerEmails: [former(OLD.key)] })),
      notice,
    )
    t.strictSame(
      judgeLetter(
        due('email_change_notice', {
          emailKey: 'third@example.org',
          pendingEmailKey: 'fourth@example.org',
          formerEmails: [former(OLD.key), former(NEW.key)],
        }),
      ),
      notice,
    )
    t.strictSame(judgeLetter(due('email_change_notice', { pendingEmailKey: '' })), dropped('overtaken'))
    t.strictSame(judgeLetter(due('email_change_notice', { owner: OWNER })), dropped('overtaken'))
  },
)

t.test('a notice tells the confirmed address what happened, when and from where', async (t) => {
  for (const kind of NOTICES) {
    t.strictSame(judgeLetter(due(kind, { now: CREATED_AT + 5000 })), {
      verdict: kind,
      to: ADA,
      deed: { at: CREATED_AT, ...FACTS },
    })
    t.match(judgeLetter(due(kind, { facts: undefined })), { verdict: kind, deed: { label: '', ip: '' } })
  }
})

t.test('what an account does is not told to an address that nobody has confirmed', async (t) => {
  for (const kind of NOTICES) {
    const letter = due(kind, { account: account({ emailVerified: false }) })
    t.strictSame(judgeLetter(letter), dropped('unverified'))
  }
})

function account(changes: Partial<AccountWithHash>): AccountWithHash {
  return {
    id: 7,
    username: 'ada',
    email: 'ada@example.com',
    emailVerified: true,
    firstName: '',
    lastName: '',
    roles: [],
    profile: {},
    activated: true,
    disabled: false,
    createdAt: CREATED_AT,
    lastLoginAt: undefined,
    passwordHash: 'none$' as PasswordHash,
    ...changes,
  }
}

/** Of an account that was just asked for what the letter is about. */
function due(kind: LetterKind, changes: Partial<DueLetter>): DueLetter {
  const isChange = kind === 'email_change' || kind === 'email_change_notice'
  return {
    id: '01890000-0000-7000-8000-000000000000',
    kind,
    attempt: 1,
    createdAt: CREATED_AT,
    now: CREATED_AT,
    emailKey: isChange ? OLD.key : 'ada@example.com',
    pendingEmail: isChange ? NEW.address : '',
    pendingEmailKey: isChange ? NEW.key : '',
    formerEmails: [],
    goesTo: kind === 'email_change' ? NEW : kind === 'email_change_notice' ? OLD : undefined,
    facts: FACTS,
    owner: undefined,
    account: account(kind === 'verification' ? { emailVerified: false, activated: false } : {}),
    ...changes,
  }
}
