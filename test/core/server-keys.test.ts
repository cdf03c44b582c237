import { createHash, createHmac, hkdfSync } from 'node:crypto'
import t from 'tap'
import type { KeyPurpose } from '../../src/core/server-keys.ts'
import { createServerKeys, keyByte } from '../../src/core/server-keys.ts'

const FIRST = { kid: '2026-01', secret: Buffer.alloc(32, 1) }
const SECOND = { kid: '2026-02', secret: Buffer.alloc(32, 2) }
const PURPOSES: readonly KeyPurpose[] = ['refresh', 'link', 'idempotency', 'own', 'guard']
const ring = createServerKeys([FIRST, SECOND])
const [firstByte, secondByte] = [keyByte(FIRST.kid), keyByte(SECOND.kid)]

t.test('a key is named by the first byte of SHA-256 of its kid', (t) => {
  t.equal(keyByte('2026-01'), createHash('sha256').update('2026-01').digest()[0])
  t.equal(ring.current, firstByte, 'the first secret signs')
  t.end()
})

t.test('MACs are HMAC-SHA-256 under HKDF-SHA-256 of the secret, one key for each purpose', (t) => {
  for (const purpose of PURPOSES) {
    const derived = Buffer.from(hkdfSync('sha256', FIRST.secret, '', `keyturn/${purpose}/v1`, 32))
    const expected = createHmac('sha256', derived).update('message').digest()
    t.same(ring.mac(purpose, firstByte, 'message'), expected, purpose)
    t.same(ring.mac(purpose, firstByte, 'message', 16), expected.subarray(0, 16), `${purpose}, cut`)
  }
  t.end()
})

t.test('a MAC for one purpose, key, message or length is worthless for another', (t) => {
  const macs = new Set<string>()
  for (const purpose of PURPOSES) {
    for (const key of [firstByte, secondByte]) {
      for (const message of ['a', 'b', '']) macs.add(ring.mac(purpose, key, message).toString('hex'))
    }
  }
  t.equal(macs.size, PURPOSES.length * 2 * 3, 'all different')

  const mac = ring.mac('refresh', firstByte, 'message', 24)
  t.ok(ring.verify('refresh', firstByte, 'message', mac))
  t.notOk(ring.verify('link', firstByte, 'message', mac), 'purpose')
  t.notOk(ring.verify('refresh', secondByte, 'message', mac), 'key')
  t.notOk(ring.verify('refresh', firstByte, 'massage', mac), 'message')
  const flipped = Buffer.from(mac)
  flipped.writeUInt8(flipped.readUInt8(23) ^ 1, 23)
  t.notOk(ring.verify('refresh', firstByte, 'message', flipped), 'last bit but seven')
  t.end()
})

t.test('text and bytes of the same text have the same MAC', (t) => {
  t.same(
    ring.macWithCurrent('own', 'gr\u00fc\u00df'),
    ring.macWithCurrent('own', Buffer.from('gr\u00fc\u00df')),
  )
  t.end()
})

t.test('the first secret signs, all of them verify', (t) => {
  t.same(ring.macWithCurrent('guard', 'message', 16), ring.mac('guard', firstByte, 'message', 16))
  t.same(ring.macWithEach('own', 'message', 16), [
    ring.mac('own', firstByte, 'message', 16),
    ring.mac('own', secondByte, 'message', 16),
  ])
  const swapped = createServerKeys([SECOND, FIRST])
  t.equal(swapped.current, secondByte)
  t.ok(swapped.verify('refresh', firstByte, 'message', ring.macWithCurrent('refresh', 'message')))
  t.end()
})

t.test('an unknown key verifies nothing, and asking for its MAC is a defect', (t) => {
  const unknown = [...Array(256).keys()].filter((byte) => byte !== firstByte && byte !== secondByte)
  const mac = ring.macWithCurrent('refresh', 'message')
  t.same(
    unknown.filter((byte) => ring.verify('refresh', byte, 'message', mac)),
    [],
  )
  t.throws(() => ring.mac('refresh', unknown[0] ?? 0, 'message'), /no server secret/)
  t.end()
})

t.test('secrets are replaced in use, and a list that is refused changes nothing', (t) => {
  const live = createServerKeys([FIRST])
  const mac = live.macWithCurrent('refresh', 'message')
  live.replace([SECOND, FIRST])
  t.equal(live.current, secondByte)
  t.ok(live.verify('refresh', firstByte, 'message', mac), 'the one before still verifies')
  t.throws(() => live.replace([]), /holds no secret/)
  t.throws(() => live.replace([FIRST, FIRST]), /share a key byte/)
  t.equal(live.current, secondByte)
  live.replace([SECOND])
  t.notOk(live.verify('refresh', firstByte, 'message', mac), 'and then no longer')
  t.end()
})

t.test('an empty ring and two kids of one name byte are refused', (t) => {
  t.throws(() => createServerKeys([]), /holds no secret/)
  t.throws(() => createServerKeys([FIRST, { ...SECOND, kid: FIRST.kid }]), /share a key byte/)
  const namesake = [...Array(2000).keys()].map(String).find((kid) => keyByte(kid) === firstByte)
  t.ok(namesake, 'another kid with the same byte exists')
  t.throws(() => createServerKeys([FIRST, { ...SECOND, kid: namesake ?? '' }]), /rename one/)
  t.end()
})

t.test('no message of a refusal shows a secret', (t) => {
  const shown = Buffer.from('a secret that would be readable!')
  const refusals = [
    () =>
      createServerKeys([
        { kid: 'k', secret: shown },
        { kid: 'k', secret: shown },
      ]),
    () => createServerKeys([{ kid: 'k', secret: shown }]).mac('own', keyByte('k') ^ 1, 'message'),
  ]
  for (const refusal of refusals) {
    try {
      refusal()
      t.fail('was not refused')
    } catch (error) {
      t.notMatch(String(error), /readable|61207365|YSBzZWNy/)
    }
  }
  t.end()
})
