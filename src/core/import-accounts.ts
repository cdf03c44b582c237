import type { MovedAccount, MoveStore, Moving, Placement, Remark } from './move-ports.ts'

/** How far an import has come, or what came of it. */
export interface ImportTally {
  readonly read: number
  readonly imported: number
  readonly present: number
  readonly refused: number
  readonly remarks: ReadonlyMap<Remark, number>
}

/** Told of each remark as it is made, and of the tally after each batch. */
export interface ImportListener {
  remark(id: string, remark: Remark): void
  progress(tally: ImportTally): void
}

/**
 * Places accounts batch by batch, each a transaction of its own: whatever ends an import, the next one goes on from
 * there. Memory holds two batches, the one that is placed and the one that is read meanwhile.
 * @throws AuthError `unavailable`, and whatever the source throws
 */
export async function importAccounts(
  store: MoveStore,
  source: AsyncIterable<readonly Moving[]>,
  listener: ImportListener,
): Promise<ImportTally> {
  const remarks = new Map<Remark, number>()
  const tally = { read: 0, imported: 0, present: 0, refused: 0, remarks }

  const batches = source[Symbol.asyncIterator]()
  let upcoming = batches.next()
  for (;;) {
    const { done, value: batch } = await upcoming
    if (done === true) return tally
    upcoming = batches.next()
    // It is awaited in the next round; meanwhile its failure is nobody's, and would end the process.
    upcoming.catch(() => undefined)
    for (const [moving, placement] of await placeBatch(store, batch)) {
      const said = [...moving.remarks, ...remarksOf(placement)]
      tally.read += 1
      if (placement === undefined || placement.outcome === 'id_taken') tally.refused += 1
      else tally[placement.outcome] += 1
      // What is there already has been remarked on when it came.
      if (placement?.outcome === 'present') continue
      for (const remark of said) {
        remarks.set(remark, (remarks.get(remark) ?? 0) + 1)
        listener.remark(moving.id, remark)
      }
    }
    listener.progress(tally)
  }
}

async function placeBatch(
  store: MoveStore,
  batch: readonly Moving[],
): Promise<[moving: Moving, placement: Placement | undefined][]> {
  const seen = new Set<number>()
  const checked = batch.map((moving): Moving => {
    const { account } = moving
    if (account === undefined || !seen.has(account.id)) {
      if (account !== undefined) seen.add(account.id)
      return moving
    }
    return { ...moving, account: undefined, remarks: ['id_repeated'] }
  })
  const accounts = checked.flatMap(({ account }): MovedAccount[] => (account === undefined ? [] : [account]))
  const placements = accounts.length === 0 ? [] : await store.place(accounts)
  let next = 0
  return checked.map((moving) => {
    if (moving.account === undefined) return [moving, undefined]
    const placement = placements[next]
    next += 1
    return [moving, placement]
  })
}

function remarksOf(placement: Placement | undefined): Remark[] {
  if (placement === undefined) return []
  if (placement.outcome === 'id_taken') return ['id_taken']
  return [
    ...(placement.unreachable ? (['unreachable'] as const) : []),
    ...(placement.usernameShared ? (['username_shared'] as const) : []),
    ...(placement.emailShared ? (['email_shared'] as const) : []),
  ]
}
