import type { SecurityEvent } from '../core/ports.ts'
import type { Store } from '../store/store.ts'

/**
 * The same store, which tells of each security event that it has recorded: what a port promises to record with its
 * deed is known by what it answers. Letters that were asked for are told whether or not there is such an account, which
 * is decided later and is nobody's business here.
 */
export function witnessed(store: Store, tell: (event: SecurityEvent) => void): Store {
  /** Does it, and then tells of the event that this answer means. */
  function after<Args extends unknown[], Answer>(
    act: (...args: Args) => Promise<Answer>,
    eventOf: (answer: Answer, ...args: Args) => SecurityEvent | undefined,
  ): (...args: Args) => Promise<Answer> {
    return async (...args) => {
      const answer = await act(...args)
      const event = eventOf(answer, ...args)
      if (event !== undefined) tell(event)
      return answer
    }
  }
  const { accounts, sessions, events, changes } = store
  return {
    ...store,
    events: { ...events, record: after(events.record, (_, event) => event) },
    accounts: {
      ...accounts,
      create: after(accounts.create, (made, _account, _letter, caller) =>
        typeof made === 'string' ? undefined : { kind: 'registered', caller, userId: made.id },
      ),
      verifyEmail: after(accounts.verifyEmail, (done, userId, _key, caller) =>
        done ? { kind: 'email_verified', caller, userId } : undefined,
      ),
      requestVerification: after(accounts.requestVerification, (_, _key, _counter, caller) => ({
        kind: 'verification_requested',
        caller,
      })),
    },
    sessions: {
      ...sessions,
      create: after(sessions.create, (view, session) => view && begun(session)),
      createFirst: after(sessions.createFirst, (view, session) => view && begun(session)),
      heal: after(sessions.heal, (done, sessionId, _from, _to, caller) =>
        done ? { kind: 'refresh_healed', caller, sessionId } : undefined,
      ),
      countLateReplay: after(sessions.countLateReplay, (done, sessionId, _generation, caller) =>
        done ? { kind: 'refresh_lost_answer', caller, sessionId } : undefined,
      ),
      revoke: after(sessions.revoke, (done, _id, _generation, _reason, event) => (done ? event : undefined)),
      revokeAll: after(sessions.revokeAll, (_, _userId, _reason, event) => event),
      revokeAllFor: after(sessions.revokeAllFor, (ended, _bearer, _reason, event) => ended && event),
    },
    changes: {
      ...changes,
      requestReset: after(changes.requestReset, (_, _key, _counter, caller) => ({
        kind: 'reset_requested',
        caller,
      })),
      setPassword: after(changes.setPassword, (ended, { event }) => ended && event),
      requestEmailChange: after(changes.requestEmailChange, (done, { caller, userId }) =>
        done ? { kind: 'email_change_requested', caller, userId } : undefined,
      ),
      confirmEmailChange: after(changes.confirmEmailChange, (done, { caller, userId }) =>
        done ? { kind: 'email_changed', caller, userId } : undefined,
      ),
      undoEmailChange: after(
        changes.undoEmailChange,
        (ended, { caller, userId }) => ended && { kind: 'email_change_undone', caller, userId },
      ),
      update: after(changes.update, (made, { userId }, _update, caller) =>
        typeof made === 'object' ? { kind: 'account_updated', caller, userId } : undefined,
      ),
      erase: after(changes.erase, (ended) => ended && { kind: 'account_deleted', caller: NOBODY }),
    },
  }
}

function begun({ caller, userId, id }: Parameters<Store['sessions']['create']>[0]): SecurityEvent {
  return { kind: 'login', caller, userId, sessionId: id }
}

/** Of an account that is gone nothing is told. */
const NOBODY = { ip: '0.0.0.0', userAgent: '' }
