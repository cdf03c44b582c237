import { AuthError } from '../../src/core/errors.ts'
import type { Policy } from '../../src/core/policy.ts'
import { refresh } from '../../src/core/refresh.ts'
import { encodeRefreshToken } from '../../src/core/refresh-token.ts'
import type { Chance } from './chance.ts'
import { createMemory } from './memory.ts'
import { ACCOUNT, claimsOf, firstRow, KEYS_NOW, POLICY } from './realm.ts'
import type { Replica } from './replica.ts'
import { Cut, createReplica } from './replica.ts'
import type { Answer, Faults, Server, Tokens } from './server.ts'
import type { Met, Witness } from './witness.ts'
import type { World } from './world.ts'

export interface ModelHabits {
  readonly replicas: number
  readonly rotates: boolean
  readonly replay: Policy['refreshReplay']
  /** How likely somebody else takes the row as a statement that wants it arrives. */
  readonly locked: number
}

const REVOCATIONS_POLLED_AFTER_MS = 1000
const DONE = Promise.resolve()

/**
 * Keyturn in virtual time: the real `refresh()`, the real tokens, and a database in memory whose every statement
 * takes a while, so that requests, replicas and faults cross in every order.
 */
export function createModel(
  world: World,
  chance: Chance,
  witness: Witness,
  habits: ModelHabits,
): Server & Faults {
  const policy = { ...POLICY, refreshReplay: habits.replay }
  const memory = createMemory(world, firstRow(world.now, policy, habits.rotates), (before, after, cause) => {
    world.note(() => `  ${cause}: generation ${before.generation} → ${after.generation}`)
    witness.committed(before, after, cause)
    if (cause !== 'revoked') return
    for (const replica of replicas) world.after(REVOCATIONS_POLLED_AFTER_MS, replica.poll)
  })
  const { locked } = habits
  const replicas = Array.from({ length: habits.replicas }, () =>
    createReplica({ world, chance, memory, witness, policy, locked }),
  )
  let calls = 0

  function replicaOf(index: number): Replica {
    const replica = replicas[index % replicas.length]
    if (replica === undefined) throw new Error('a model without a replica')
    return replica
  }

  async function answer(name: number, met: Met, replica: Replica, token: string, key: string | undefined) {
    try {
      const caller = { ip: String(name), userAgent: met.party }
      const needs = replica.needsFor((verdict) => witness.counted(name, verdict))
      const granted = await refresh(needs, { token, idempotencyKey: key }, caller)
      const claims = claimsOf(granted.refresh)
      world.note(() => `  ${granted.outcome}: the ${met.party} gets generation ${claims.generation}`)
      witness.answered(name, met, granted.outcome, granted.refresh, claims)
      return { kind: 'tokens', ...granted } as const
    } catch (error) {
      if (error instanceof Cut) {
        witness.outcomes.failed += 1
        return { kind: 'failed', retryAfterSeconds: undefined } as const
      }
      if (!(error instanceof AuthError)) throw error
      if (error.code === 'unavailable' || error.code === 'refresh_overtaken') {
        world.note(() => `  ${error.code}: the ${met.party} had generation ${met.generation}`)
        witness.putOff(name, error.code, error.retryAfterSeconds)
        return { kind: 'failed', retryAfterSeconds: error.retryAfterSeconds } as const
      }
      world.note(() => `  ${error.code}: the ${met.party} had generation ${met.generation}`)
      witness.refused(name, met, error.code, memory.row, memory.now)
      return { kind: 'refused', code: error.code } as const
    }
  }

  /** After a change of timeline each replica writes the revocations it remembers back. */
  function writeBack(replica: Replica): void {
    if (!replica.knowsRevoked || memory.row.revokedAt !== undefined) return
    memory.commit({ revokedAt: memory.now, revokedReason: 'theft' }, 'revoked')
  }

  return {
    replicas: habits.replicas,
    async logIn(): Promise<Tokens> {
      const { id, generation } = memory.row
      const { token: access, expiresIn } = replicaOf(0).accessTokens.mint(ACCOUNT, id, generation)
      return {
        refresh: encodeRefreshToken(KEYS_NOW, { userId: ACCOUNT.id, sessionId: id, generation }),
        access,
        expiresIn,
      }
    },
    async refresh({ party, replica, refresh: token, key }): Promise<Answer> {
      calls += 1
      const { generation } = claimsOf(token)
      const met = { party, generation, arrivedAt: world.now, failOvers: witness.failOvers }
      witness.arrived(calls, met)
      return answer(calls, met, replicaOf(replica), token, key)
    },
    async checkStatus(index, access) {
      const replica = replicaOf(index)
      const [generation = -1, end = 0] = access.split(':').map(Number)
      if (replica.knowsRevoked || end <= world.now) return false
      replica.note(generation)
      return true
    },
    async logOut(index) {
      const { sessions } = replicaOf(index)
      const event = { kind: 'logout', caller: { ip: '0', userAgent: 'client' } } as const
      try {
        await sessions.revoke(memory.row.id, undefined, 'logout', event)
      } catch (error) {
        if (!(error instanceof Cut)) throw error
      }
    },
    restart(index) {
      world.note(() => 'a replica dies and starts again')
      replicaOf(index).restart()
    },
    failOver(since, commits) {
      for (const replica of replicas) if (chance.happens(0.5)) replica.cut()
      memory.fallBack(since, commits, chance.whole(-1000, 1000))
      witness.failedOver()
      for (const replica of replicas) world.after(chance.between(200, 1500), () => writeBack(replica))
    },
    waiting: () => replicas.reduce((sum, { waiting }) => sum + waiting, 0),
    breathe: () => DONE,
  }
}
