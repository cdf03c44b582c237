/** A session that was revoked, and when: milliseconds since 1970, by the database's clock. */
export interface Revocation {
  readonly sessionId: string
  readonly revokedAt: number
}

/**
 * Revoked sessions in the order in which this process learnt of them. Each has a position, one above that of the one
 * learnt before it, which it keeps for as long as it is held.
 */
export interface RevocationLog {
  /** How many are held. */
  readonly size: number
  /** The position of the newest; 0 before there was one. */
  readonly last: number
  /** The position below the oldest that is held: whatever stood there or before it is forgotten. */
  readonly forgotten: number
  has(sessionId: string): boolean
  /** True if it was not known. Of one that is known only the time is set anew. What is no UUID is nobody's session. */
  add(sessionId: string, revokedAt: number): boolean
  /** The same for many at once, as the database packs them: see `RECORD_BYTES`. Returns those that were not known. */
  addPacked(records: Buffer): number
  /** Forgets from the oldest on what was revoked at `time` or before, up to the first that was not. */
  forgetUntil(time: number): void
  /** Those behind the position, the one learnt first coming first; what is forgotten meanwhile is left out. */
  after(position: number): Generator<Revocation>
}

/** The 16 bytes of the id, and 8 of the time in milliseconds since 1970, big-endian. */
export const RECORD_BYTES = 24

const WORDS = 4
const CAPACITY_MIN = 1024

/**
 * Keeps each id as its 16 bytes in a ring, beside a table of places by hash (open addressing): 32 bytes a revocation,
 * twice that where the ring has just grown. As texts in a Map the same would take five times as much, and would give
 * the garbage collector a hundred thousand objects to visit.
 */
export function createRevocationLog(): RevocationLog {
  let capacity = CAPACITY_MIN
  let ids = new Uint32Array(capacity * WORDS)
  let times = new Float64Array(capacity)
  /** The place in the ring, plus 1; 0 is free. Twice as large as the ring, so that searches stay short. */
  let table = new Uint32Array(capacity * 2)
  let last = 0
  let forgotten = 0
  const asked = new Uint32Array(WORDS)

  const placeOf = (position: number) => position & (capacity - 1)
  // Ids are drawn at random in their second half (RFC 9562, 5.4 and 5.7), and by us alone: no better hash is needed.
  const homeOf = (place: number) => (ids[place * WORDS + 3] ?? 0) & (table.length - 1)
  const nextOf = (bucket: number) => (bucket + 1) & (table.length - 1)

  /** The bucket of the id in `asked`, or the free one where it would go. */
  function find(): number {
    let bucket = (asked[3] ?? 0) & (table.length - 1)
    for (;;) {
      const place = (table[bucket] ?? 0) - 1
      if (place < 0) return bucket
      const start = place * WORDS
      if (
        ids[start + 3] === asked[3] &&
        ids[start + 2] === asked[2] &&
        ids[start + 1] === asked[1] &&
        ids[start] === asked[0]
      )
        return bucket
      bucket = nextOf(bucket)
    }
  }

  function resize(to: number): void {
    const [oldIds, oldTimes, oldMask] = [ids, times, capacity - 1]
    capacity = to
    ids = new Uint32Array(to * WORDS)
    times = new Float64Array(to)
    table = new Uint32Array(to * 2)
    for (let position = forgotten + 1; position <= last; position += 1) {
      const from = position & oldMask
      const place = placeOf(position)
      ids.set(oldIds.subarray(from * WORDS, (from + 1) * WORDS), place * WORDS)
      times[place] = oldTimes[from] ?? 0
      let bucket = homeOf(place)
      while (table[bucket] !== 0) bucket = nextOf(bucket)
      table[bucket] = place + 1
    }
  }

  function forgetOldest(): void {
    const start = placeOf(forgotten + 1) * WORDS
    asked.set(ids.subarray(start, start + WORDS))
    let hole = find()
    // Whatever had to step aside for it moves back, so that no search ends at the hole too early.
    for (let bucket = nextOf(hole); table[bucket] !== 0; bucket = nextOf(bucket)) {
      const place = table[bucket] ?? 0
      const stepsFromHome = (bucket - homeOf(place - 1)) & (table.length - 1)
      const stepsFromHole = (bucket - hole) & (table.length - 1)
      if (stepsFromHome < stepsFromHole) continue
      table[hole] = place
      hole = bucket
    }
    table[hole] = 0
    forgotten += 1
  }

  /** Adds the id in `asked`. */
  function addAsked(revokedAt: number): boolean {
    const known = (table[find()] ?? 0) - 1
    if (known >= 0) {
      times[known] = revokedAt
      return false
    }
    if (last - forgotten === capacity) resize(capacity * 2)
    last += 1
    const place = placeOf(last)
    ids.set(asked, place * WORDS)
    times[place] = revokedAt
    table[find()] = place + 1
    return true
  }

  return {
    get size() {
      return last - forgotten
    },
    get last() {
      return last
    },
    get forgotten() {
      return forgotten
    },
    has(sessionId) {
      return last !== forgotten && readUuid(sessionId, asked) && table[find()] !== 0
    },
    add: (sessionId, revokedAt) => readUuid(sessionId, asked) && addAsked(revokedAt),
    addPacked(records) {
      const before = last
      for (let at = 0; at < records.length; at += RECORD_BYTES) {
        for (let word = 0; word < WORDS; word += 1) asked[word] = records.readUInt32BE(at + word * 4)
        addAsked(records.readUInt32BE(at + 16) * 2 ** 32 + records.readUInt32BE(at + 20))
      }
      return last - before
    },
    forgetUntil(time) {
      while (forgotten < last && (times[placeOf(forgotten + 1)] ?? 0) <= time) forgetOldest()
      let fitting = capacity
      while (fitting > CAPACITY_MIN && last - forgotten < fitting / 8) fitting /= 2
      if (fitting < capacity) resize(fitting)
    },
    *after(position) {
      for (let next = Math.max(position, forgotten) + 1; next <= last; next += 1) {
        if (next <= forgotten) continue
        const place = placeOf(next)
        yield { sessionId: writeUuid(ids, place * WORDS), revokedAt: times[place] ?? 0 }
      }
    },
  }
}

/** Reads the four words of a UUID in its one canonical form, or upper case; false for any other text. */
function readUuid(text: string, into: Uint32Array): boolean {
  if (text.length !== 36) return false
  let digits = 0
  let word = 0
  for (let at = 0; at < 36; at += 1) {
    const code = text.charCodeAt(at)
    if (at === 8 || at === 13 || at === 18 || at === 23) {
      if (code !== 45) return false
      continue
    }
    const digit = code < 58 ? code - 48 : (code | 32) - 87
    if (digit < 0 || digit > 15 || (code >= 58 && digit < 10)) return false
    word = (word << 4) | digit
    digits += 1
    if (digits % 8 === 0) into[digits / 8 - 1] = word
  }
  return true
}

const octets = Buffer.alloc(16)

function writeUuid(ids: Uint32Array, start: number): string {
  for (let word = 0; word < WORDS; word += 1) octets.writeUInt32BE(ids[start + word] ?? 0, word * 4)
  const digits = octets.toString('hex')
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`
}
