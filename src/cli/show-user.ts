import type { UserView } from '../core/find-users.ts'
import type { Account } from '../core/ports.ts'

const iso = (moment: number) => new Date(moment).toISOString()

/** An account as an object for programs; never with its hash. */
export function toObject(account: Account): object {
  return {
    id: account.id,
    username: account.username,
    email: account.email,
    email_verified: account.emailVerified,
    first_name: account.firstName,
    last_name: account.lastName,
    roles: account.roles,
    profile: account.profile,
    activated: account.activated,
    disabled: account.disabled,
    created_at: iso(account.createdAt),
    last_login_at: account.lastLoginAt === undefined ? null : iso(account.lastLoginAt),
  }
}

/** The same with its sessions and what happened to it lately. */
export function viewToObject({ account, sessions, events }: UserView): object {
  return {
    ...toObject(account),
    sessions: sessions.map(({ id, label, ip, createdAt, lastUsedAt }) => {
      return { id, label, ip, created_at: iso(createdAt), last_used_at: iso(lastUsedAt) }
    }),
    events: events.map(({ at, kind, ip, reason = null }) => ({ at: iso(at), kind, ip, reason })),
  }
}

/** In one line. */
export function toLine({ id, username, email, emailVerified, roles, ...account }: Account): string {
  const states = [
    ...(account.disabled ? ['disabled'] : []),
    ...(account.activated ? [] : ['waits to be confirmed']),
    ...roles,
  ]
  const address = email === '' ? '' : ` <${plain(email)}>${emailVerified ? '' : ' unverified'}`
  return `${id} ${plain(username)}${address}${states.length > 0 ? ` (${states.join(', ')})` : ''}`
}

export function viewToLines({ account, sessions, events }: UserView): string[] {
  const name = plain(`${account.firstName} ${account.lastName}`.trim())
  return [
    toLine(account),
    ...(name === '' ? [] : [`  name        ${name}`]),
    `  created     ${iso(account.createdAt)}`,
    `  last login  ${account.lastLoginAt === undefined ? 'never' : iso(account.lastLoginAt)}`,
    `  sessions    ${sessions.length}`,
    ...sessions.map(
      ({ id, label, ip, lastUsedAt }) => `    ${id} ${label}, ${ip}, last used ${iso(lastUsedAt)}`,
    ),
    `  events      ${events.length === 0 ? 'none' : ''}`.trimEnd(),
    ...events.map(
      ({ at, kind, ip, reason }) => `    ${iso(at)} ${kind}${reason ? ` (${reason})` : ''}, ${ip}`,
    ),
  ]
}

/** Names are what their owners chose: one must not move the cursor of whoever looks at it. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd')
}
