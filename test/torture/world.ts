/** Virtual time: deeds in the order of their moments, and a log that costs nothing unless somebody reads it. */
export interface World {
  readonly now: number
  readonly log: readonly string[]
  after(milliseconds: number, deed: () => void): void
  note(text: () => string): void
  /** Does every deed there is. After each it waits until `isBusy` says that nothing moves on without time. */
  run(isBusy: () => boolean, breathe: () => Promise<void>): Promise<void>
}

interface Deed {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** A schedule that does more than this is not one of ours. */
const DEEDS_MAX = 100_000

export function createWorld(start: number, keepsLog: boolean): World {
  const heap: Deed[] = []
  const log: string[] = []
  let now = start
  let order = 0

  function push(deed: Deed): void {
    let child = heap.push(deed) - 1
    while (child > 0) {
      const parent = (child - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !isEarlier(deed, above)) break
      heap[child] = above
      child = parent
    }
    heap[child] = deed
  }

  function pop(): Deed | undefined {
    const [first] = heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let parent = 0
    for (;;) {
      let child = 2 * parent + 1
      let below = heap[child]
      const other = heap[child + 1]
      if (below === undefined) break
      if (other !== undefined && isEarlier(other, below)) {
        child += 1
        below = other
      }
      if (!isEarlier(below, last)) break
      heap[parent] = below
      parent = child
    }
    heap[parent] = last
    return first
  }

  return {
    get now() {
      return now
    },
    log,
    after(milliseconds, run) {
      order += 1
      push({ at: now + milliseconds, order, run })
    },
    note(text) {
      if (keepsLog) log.push(`${((now - start) / 1000).toFixed(3).padStart(12)} s  ${text()}`)
    },
    async run(isBusy, breathe) {
      for (let done = 0; done < DEEDS_MAX; done += 1) {
        const deed = pop()
        if (deed === undefined) return
        now = deed.at
        deed.run()
        while (isBusy()) await breathe()
      }
      throw new Error(`a schedule of more than ${DEEDS_MAX} deeds`)
    },
  }
}

function isEarlier(one: Deed, other: Deed): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
