import type { AccessClaims, AccessTokens } from './access-token.ts'
import { checkStatus } from './check-status.ts'
import { AuthError } from './errors.ts'
import type { Grant } from './grant.ts'
import type { Credentials } from './log-in.ts'
import { logIn } from './log-in.ts'
import type { LogOut } from './log-out.ts'
import { logOut, logOutEverywhere } from './log-out.ts'
import type { Passwords } from './password.ts'
import type { Policy } from './policy.ts'
import type {
  Account,
  AccountStore,
  Caller,
  EventStore,
  Outbox,
  RefreshLimit,
  RevokedSessions,
  SessionStore,
} from './ports.ts'
import type { Refreshed, RefreshOutcome, RefreshRequest } from './refresh.ts'
import { refresh } from './refresh.ts'
import type { Registered, Registration } from './register.ts'
import { register } from './register.ts'
import type { ServerKeys } from './server-keys.ts'
import { resendVerification, verifyEmail } from './verify-email.ts'

/** What the verbs need of the world. Time and chance are inside what they are handed. */
export interface AuthNeeds {
  readonly policy: Policy
  readonly keys: ServerKeys
  readonly accounts: AccountStore
  readonly sessions: SessionStore
  readonly events: EventStore
  readonly passwords: Passwords
  readonly accessTokens: AccessTokens
  readonly revoked: RevokedSessions
  readonly refreshLimit: RefreshLimit
  readonly outbox: Outbox
  /** Milliseconds since 1970, by the clock that access tokens are judged by. */
  readonly now: () => number
  /** Counts a refresh verdict for the metrics. */
  readonly count: (verdict: RefreshOutcome | 'overtaken' | 'theft' | 'refused') => void
}

/** The verbs of the service. Every dialect says these and no others. */
export interface Auth {
  /** Milliseconds since 1970, by the clock that access tokens are judged by. */
  now(): number
  register(input: Registration, caller: Caller): Promise<Registered>
  verifyEmail(token: string, caller: Caller): Promise<void>
  resendVerification(email: string, caller: Caller): Promise<void>
  logIn(credentials: Credentials, caller: Caller): Promise<Grant>
  refresh(request: RefreshRequest, caller: Caller): Promise<Refreshed>
  checkStatus(token: string | undefined): AccessClaims
  logOut(tokens: LogOut, caller: Caller): Promise<void>
  logOutEverywhere(claims: AccessClaims, caller: Caller): Promise<number>
  findAccount(claims: AccessClaims): Promise<Account>
}

/** The verbs, bound to what they need. */
export function createAuth(needs: AuthNeeds): Auth {
  return {
    now: needs.now,
    register: (input, caller) => register(needs, input, caller),
    verifyEmail: (token, caller) => verifyEmail(needs, token, caller),
    resendVerification: (email, caller) => resendVerification(needs, email, caller),
    logIn: (credentials, caller) => logIn(needs, credentials, caller),
    refresh: (request, caller) => refresh(needs, request, caller),
    checkStatus: (token) => checkStatus(needs, token),
    logOut: (tokens, caller) => logOut(needs, tokens, caller),
    logOutEverywhere: (claims, caller) => logOutEverywhere(needs, claims, caller),
    async findAccount(claims) {
      const account = await needs.accounts.find(claims.user_id)
      // Deleted since the token was made: the token outlived its owner.
      if (account === undefined) throw new AuthError('invalid_token')
      return account
    },
  }
}
