import type { AccessClaims } from './access-token.ts'
import type { AuthNeeds } from './auth.ts'
import { refreshEndsAt } from './grant.ts'
import type { SessionView } from './ports.ts'
import { decodeRefreshToken } from './refresh-token.ts'
import type { Verdict } from './rotation.ts'
import { judgeRefresh } from './rotation.ts'

/** What a living token is: of an access token what stands in it, of a refresh token whose it is and until when. */
export type Introspection =
  | { readonly kind: 'access'; readonly claims: AccessClaims }
  | {
      readonly kind: 'refresh'
      readonly userId: number
      readonly sessionId: string
      /** Milliseconds since 1970: when it ends unless it is used before. */
      readonly endsAt: number
    }

export type IntrospectNeeds = Pick<AuthNeeds, 'accessTokens' | 'keys' | 'policy' | 'sessions'>

/**
 * Whether somebody else's token is alive, as the database has it at this moment (RFC 7662): its session has neither
 * ended nor expired, and a refresh token has no successor yet. `undefined` for any other, whatever the reason. Nothing
 * is changed by asking: a token that was used before is no theft here, for its owner did not send it.
 * @throws AuthError `unavailable`
 */
export async function introspect(needs: IntrospectNeeds, token: string): Promise<Introspection | undefined> {
  const refresh = decodeRefreshToken(needs.keys, token)
  if (refresh !== undefined) {
    const view = await needs.sessions.find(refresh.sessionId)
    const verdict = judge(needs, view, refresh.generation)
    if (view === undefined || !isCurrent(verdict)) return undefined
    const { sessionId, userId } = refresh
    return { kind: 'refresh', userId, sessionId, endsAt: endOf(needs, view, verdict) }
  }
  const claims = needs.accessTokens.verify(token)
  if (claims === undefined) return undefined
  const view = await needs.sessions.find(claims.sid)
  // Its session lives whatever generation it has reached: an access token is good until it expires.
  const generation = Math.max(claims.gen, view?.session.generation ?? 0)
  return isCurrent(judge(needs, view, generation)) ? { kind: 'access', claims } : undefined
}

function judge(needs: IntrospectNeeds, view: SessionView | undefined, generation: number): Verdict {
  const state = view && { ...view.session, userDisabled: view.account.disabled }
  return judgeRefresh(state, { generation, retryKey: undefined }, view?.now ?? 0, needs.policy)
}

/** A token ahead of its row is the newest there is: the database has lost commits. */
function isCurrent({ kind }: Verdict): boolean {
  return kind === 'rotate' || kind === 'keep' || kind === 'healed'
}

function endOf({ policy }: IntrospectNeeds, { session }: SessionView, { kind }: Verdict): number {
  return kind === 'healed' ? session.expiresAt : refreshEndsAt(policy, session)
}
