import type { AccessClaims, AccessTokens } from './access-token.ts'
import { bearerOf } from './access-token.ts'
import { confirmEmailChange, requestEmailChange, undoEmailChange } from './change-email.ts'
import type { NewPassword } from './change-password.ts'
import { changePassword } from './change-password.ts'
import type { AccountChangeStore, OwnRecords, OwnSession, WidgetStore } from './change-ports.ts'
import { checkStatus, nextCheckIn } from './check-status.ts'
import { deleteAccount } from './delete-account.ts'
import { AuthError } from './errors.ts'
import type { Grant, SessionTerms } from './grant.ts'
import type { Introspection } from './introspect.ts'
import { introspect } from './introspect.ts'
import type { Credentials } from './log-in.ts'
import { logIn } from './log-in.ts'
import type { LogOut } from './log-out.ts'
import { logOut, logOutEverywhere, revokeToken } from './log-out.ts'
import type { AccountOverwrite } from './overwrite-account.ts'
import { overwriteAccount } from './overwrite-account.ts'
import type { EventPage } from './own-records.ts'
import { endOwnSession, listEvents, listSessions } from './own-records.ts'
import type { Passwords } from './password.ts'
import type { Policy } from './policy.ts'
import type {
  Account,
  AccountStore,
  Caller,
  CommonPasswords,
  EventStore,
  Outbox,
  RefreshLimit,
  RevokedSessions,
  SessionStore,
} from './ports.ts'
import type { ProfileRules } from './profile.ts'
import type { Refreshed, RefreshOutcome, RefreshRequest } from './refresh.ts'
import { refresh } from './refresh.ts'
import type { Registered, Registration, RegistrationTerms } from './register.ts'
import { register } from './register.ts'
import { confirmToken, renewAccess } from './renew-access.ts'
import { requestReset } from './request-reset.ts'
import { findResetLink, resetPassword } from './reset-password.ts'
import { revealAccount } from './reveal-account.ts'
import type { ServerKeys } from './server-keys.ts'
import type { AccountEdit } from './update-account.ts'
import { updateAccount } from './update-account.ts'
import { resendVerification, verifyEmail } from './verify-email.ts'

/** What the verbs need of the world. Time and chance are inside what they are handed. */
export interface AuthNeeds {
  readonly policy: Policy
  readonly keys: ServerKeys
  readonly accounts: AccountStore
  readonly sessions: SessionStore
  readonly events: EventStore
  readonly changes: AccountChangeStore
  readonly widgets: WidgetStore
  readonly records: OwnRecords
  readonly profiles: ProfileRules
  readonly passwords: Passwords
  readonly commonPasswords: CommonPasswords
  readonly accessTokens: AccessTokens
  readonly revoked: RevokedSessions
  readonly refreshLimit: RefreshLimit
  readonly outbox: Outbox
  /** Milliseconds since 1970, by the clock that access tokens are judged by. */
  readonly now: () => number
  /** From 0 up to 1. */
  readonly random: () => number
  /** Counts a refresh verdict for the metrics. */
  readonly count: (verdict: RefreshOutcome | 'overtaken' | 'theft' | 'refused') => void
}

/** The verbs of the service. Every dialect says these and no others. */
export interface Auth {
  /** Milliseconds since 1970, by the clock that access tokens are judged by. */
  now(): number
  register(input: Registration, caller: Caller, terms?: RegistrationTerms): Promise<Registered>
  verifyEmail(token: string, caller: Caller): Promise<void>
  resendVerification(email: string, caller: Caller): Promise<void>
  logIn(credentials: Credentials, caller: Caller, terms?: SessionTerms): Promise<Grant>
  refresh(request: RefreshRequest, caller: Caller): Promise<Refreshed>
  checkStatus(token: string | undefined): AccessClaims
  renewAccess(claims: AccessClaims): Promise<Grant>
  confirmToken(token: string): Promise<void>
  /** When whoever polls should ask again about a token that lives so long, in whole seconds. */
  nextCheckIn(expiresInSeconds: number): number
  logOut(tokens: LogOut, caller: Caller): Promise<void>
  logOutEverywhere(claims: AccessClaims, caller: Caller): Promise<number>
  introspect(token: string): Promise<Introspection | undefined>
  revokeToken(token: string, caller: Caller): Promise<void>
  findAccount(claims: AccessClaims): Promise<Account>
  updateAccount(claims: AccessClaims, edit: AccountEdit, caller: Caller): Promise<Account>
  overwriteAccount(claims: AccessClaims, change: AccountOverwrite, caller: Caller): Promise<Account>
  deleteAccount(claims: AccessClaims, password: string, caller: Caller): Promise<void>
  requestReset(email: string, caller: Caller): Promise<void>
  findResetLink(token: string): Promise<Account>
  revealAccount(who: { username: string } | { email: string }): Promise<Account>
  resetPassword(token: string, password: string, caller: Caller): Promise<void>
  changePassword(claims: AccessClaims, passwords: NewPassword, caller: Caller): Promise<void>
  requestEmailChange(
    claims: AccessClaims,
    change: { email: string; password: string },
    caller: Caller,
  ): Promise<void>
  confirmEmailChange(token: string, caller: Caller): Promise<void>
  undoEmailChange(token: string, caller: Caller): Promise<void>
  listSessions(claims: AccessClaims): Promise<OwnSession[]>
  endOwnSession(claims: AccessClaims, sessionId: string, caller: Caller): Promise<void>
  listEvents(claims: AccessClaims, page: { before: string | undefined; most: number }): Promise<EventPage>
  saveWidgets(claims: AccessClaims, document: string): Promise<void>
  loadWidgets(claims: AccessClaims): Promise<string | undefined>
}

/** The verbs, bound to what they need. */
export function createAuth(needs: AuthNeeds): Auth {
  return {
    now: needs.now,
    register: (input, caller, terms) => register(needs, input, caller, terms),
    verifyEmail: (token, caller) => verifyEmail(needs, token, caller),
    resendVerification: (email, caller) => resendVerification(needs, email, caller),
    logIn: (credentials, caller, terms) => logIn(needs, credentials, caller, terms),
    refresh: (request, caller) => refresh(needs, request, caller),
    checkStatus: (token) => checkStatus(needs, token),
    renewAccess: (claims) => renewAccess(needs, claims),
    confirmToken: (token) => confirmToken(needs, token),
    nextCheckIn: (expiresInSeconds) => nextCheckIn(expiresInSeconds, needs.random),
    logOut: (tokens, caller) => logOut(needs, tokens, caller),
    logOutEverywhere: (claims, caller) => logOutEverywhere(needs, claims, caller),
    introspect: (token) => introspect(needs, token),
    revokeToken: (token, caller) => revokeToken(needs, token, caller),
    updateAccount: (claims, edit, caller) => updateAccount(needs, claims, edit, caller),
    overwriteAccount: (claims, change, caller) => overwriteAccount(needs, claims, change, caller),
    deleteAccount: (claims, password, caller) => deleteAccount(needs, claims, password, caller),
    requestReset: (email, caller) => requestReset(needs, email, caller),
    revealAccount: (who) => revealAccount(needs, who),
    findResetLink: (token) => findResetLink(needs, token),
    resetPassword: (token, password, caller) => resetPassword(needs, token, password, caller),
    changePassword: (claims, passwords, caller) => changePassword(needs, claims, passwords, caller),
    requestEmailChange: (claims, change, caller) => requestEmailChange(needs, claims, change, caller),
    confirmEmailChange: (token, caller) => confirmEmailChange(needs, token, caller),
    undoEmailChange: (token, caller) => undoEmailChange(needs, token, caller),
    listSessions: (claims) => listSessions(needs, claims),
    endOwnSession: (claims, sessionId, caller) => endOwnSession(needs, claims, sessionId, caller),
    listEvents: (claims, page) => listEvents(needs, claims, page),
    async loadWidgets(claims) {
      const found = await needs.widgets.load(bearerOf(claims))
      if (found === undefined) throw new AuthError('invalid_token')
      return found.document
    },
    async saveWidgets(claims, document) {
      if (!(await needs.widgets.save(bearerOf(claims), document))) throw new AuthError('invalid_token')
    },
    async findAccount(claims) {
      const account = await needs.accounts.findFor(bearerOf(claims))
      // Deleted since the token was made: the token outlived its owner.
      if (account === undefined || account.disabled) throw new AuthError('invalid_token')
      return account
    },
  }
}
