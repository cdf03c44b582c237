import type { Chance } from './chance.ts'
import type { Line } from './line.ts'
import { pauseOf, retryDelay } from './pace.ts'
import type { Answer, Tokens } from './server.ts'
import type { World } from './world.ts'

/** How a client goes about its session. What the README asks for, and what people do instead. */
export interface ClientHabits {
  /** Tabs that share one storage. */
  readonly tabs: number
  /**
   * The Idempotency-Key: none · shared: put beside the token unless one is there · racy: the same, but two tabs
   * may both find none and the last one stands · own: every tab keeps its own · constant: one for ever ·
   * derived: made of the token, so that whoever has the token has it.
   */
  readonly key: 'none' | 'shared' | 'racy' | 'own' | 'constant' | 'derived'
  /** compare: an answer is stored only over the token it answers · blind: over whatever is there. */
  readonly storing: 'compare' | 'blind'
  readonly usesBeforeStoring: boolean
  readonly readsBeforeRetry: boolean
  /** expiry: refreshes when the access token is over · loads: whenever a page is loaded, in bursts. */
  readonly pace: 'expiry' | 'loads'
  /** How likely an access token is shown to the server at all. */
  readonly polls: number
  readonly retries: 'seconds' | 'minutes' | 'days' | 'mixed'
  /** The most that one write to the storage takes. */
  readonly writeMs: number
  /** How likely the app dies between an answer and storing it. */
  readonly crashes: number
  /** Whether it stays away for days now and then. */
  readonly sleeps: boolean
  /** After so many refreshes it is seen no more. */
  readonly attempts: number
  readonly logsOut: boolean
}

/** Ways to come by a key that do not look beside the token. */
type OwnWay = Exclude<ClientHabits['key'], 'shared' | 'racy'>
const hasOwnWay = (way: ClientHabits['key']): way is OwnWay => way !== 'shared' && way !== 'racy'

interface Held {
  readonly refresh: string
  readonly key: string | undefined
}

/** What stands in the storage of a client: all of it is what a thief can copy. */
export interface Stored extends Held {
  readonly access: string
  readonly freshUntil: number
}

export interface Client {
  start(tokens: Tokens): void
  readonly storage: Stored | undefined
  /** The code by which it was told to sign in again. */
  readonly refusal: string | undefined
  /** When the next tab means to refresh, as far as anybody can tell. */
  readonly nextWake: number
  onStored(listener: () => void): void
  onSent(listener: () => void): void
}

/** What a client sends that thinks one key is enough. */
export const CONSTANT_KEY = 'the-same-key-for-ever'

const SECOND = 1000
const MINUTE = 60 * SECOND

/** An honest client: tabs that read the storage, refresh, store, use, and try again when they hear nothing. */
export function createClient(world: World, line: Line, chance: Chance, habits: ClientHabits): Client {
  let storage: Stored | undefined
  let attempts = 0
  let keys = 0
  let ended = false
  let refusal: string | undefined
  const wakes: number[] = []
  const ownKeys: (Held | undefined)[] = []
  const stored: (() => void)[] = []
  const sent: (() => void)[] = []

  const writing = () => chance.between(0, habits.writeMs)
  const isFresh = ({ freshUntil }: Stored) => habits.pace === 'expiry' && freshUntil > world.now

  function wake(tab: number): void {
    if (ended || storage === undefined) return
    if (isFresh(storage)) {
      use(storage.access)
      rest(tab)
    } else attempt(tab, undefined)
  }

  function attempt(tab: number, tried: Held | undefined): void {
    if (ended || storage === undefined) return
    attempts += 1
    if (attempts > habits.attempts) finish(storage.refresh)
    else if (tried !== undefined && !habits.readsBeforeRetry) send(tab, tried)
    // A sibling has moved on: what it stored is as good.
    else if (tried !== undefined && tried.refresh !== storage.refresh) rest(tab)
    else if (hasOwnWay(habits.key))
      send(tab, { refresh: storage.refresh, key: keyOf(tab, storage.refresh, habits.key) })
    else if (storage.key !== undefined) send(tab, storage)
    else putKey(tab, storage.refresh)
  }

  function keyOf(tab: number, refresh: string, way: OwnWay): string | undefined {
    if (way === 'none') return undefined
    if (way === 'constant') return CONSTANT_KEY
    if (way === 'derived') return derivedKey(refresh)
    const kept = ownKeys[tab]
    const mine = kept?.refresh === refresh ? kept : { refresh, key: newKey() }
    ownKeys[tab] = mine
    return mine.key
  }

  function newKey(): string {
    keys += 1
    return `clients-own-key-${keys}`
  }

  /** The key is in the storage before it is sent: otherwise a crash would lose it. */
  function putKey(tab: number, refresh: string): void {
    const mine = newKey()
    world.after(writing(), () => {
      if (storage?.refresh !== refresh) return rest(tab)
      const key = habits.key === 'shared' ? (storage.key ?? mine) : mine
      storage = { ...storage, key }
      send(tab, { refresh, key })
    })
  }

  function send(tab: number, held: Held): void {
    world.note(() => `tab ${tab} sends ${short(held.refresh)} ${held.key ?? ''}`)
    line.refresh(held.refresh, held.key, (answer) => receive(tab, held, answer))
    for (const listener of sent) listener()
  }

  function receive(tab: number, held: Held, answer: Answer): void {
    if (answer.kind === 'refused') {
      world.note(() => `tab ${tab} is refused: ${answer.code}`)
      refusal = answer.code
      ended = true
    } else if (answer.kind === 'failed') {
      world.after(delayOf(answer.retryAfterSeconds), () => attempt(tab, held))
    } else {
      if (habits.usesBeforeStoring) use(answer.access)
      if (chance.happens(habits.crashes)) {
        world.note(() => `tab ${tab} dies before it stores`)
        world.after(retryDelay(chance, habits), () => wake(tab))
      } else world.after(writing(), () => store(tab, held, answer))
    }
  }

  /** Not before `Retry-After`; at that moment, or when it suits. */
  function delayOf(retryAfterSeconds: number | undefined): number {
    const delay = retryDelay(chance, habits)
    if (retryAfterSeconds === undefined) return delay
    return Math.max(retryAfterSeconds * SECOND, chance.happens(0.5) ? 0 : delay)
  }

  /** An answer that is not stored is not used either: a sibling has stored a newer one. */
  function store(tab: number, held: Held, answer: Tokens): void {
    const isMine = habits.storing === 'blind' || storage?.refresh === held.refresh
    if (isMine) {
      keep(answer)
      use(answer.access)
      world.note(() => `tab ${tab} stored ${short(answer.refresh)}`)
    }
    rest(tab)
    if (isMine) for (const listener of stored) listener()
  }

  function keep({ refresh, access, expiresIn }: Tokens): void {
    storage = { refresh, key: undefined, access, freshUntil: world.now + expiresIn * SECOND }
  }

  function use(access: string): void {
    if (chance.happens(habits.polls)) world.after(chance.between(0, MINUTE), () => line.checkStatus(access))
  }

  function rest(tab: number): void {
    const pause = pauseOf(chance, habits, (storage?.freshUntil ?? 0) - world.now)
    wakes[tab] = world.now + pause
    world.after(pause, () => wake(tab))
  }

  function finish(refresh: string): void {
    ended = true
    // After the logout its own last token is one more that must not be answered.
    if (habits.logsOut) line.logOut(refresh, () => line.refresh(refresh, undefined, () => {}))
  }

  return {
    start(tokens) {
      keep(tokens)
      use(tokens.access)
      for (let tab = 0; tab < habits.tabs; tab += 1) rest(tab)
    },
    get storage() {
      return storage
    },
    get refusal() {
      return refusal
    },
    get nextWake() {
      return Math.min(...wakes.filter((wake) => wake > world.now))
    },
    onStored: (listener) => void stored.push(listener),
    onSent: (listener) => void sent.push(listener),
  }
}

/** A key that anybody can compute who has the token. */
export function derivedKey(refresh: string): string {
  return refresh.slice(-32)
}

/** Enough of a token to tell it from others in a log. */
function short(refresh: string): string {
  return refresh.slice(-6)
}
