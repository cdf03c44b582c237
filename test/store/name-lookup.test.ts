import type { LookupAddress } from 'node:dns'
import { connect, createServer } from 'node:net'
import { promisify } from 'node:util'
import t from 'tap'
import { createLookup } from '../../src/store/name-lookup.ts'

const FIRST = [{ address: '10.0.0.1', family: 4 }]
const SECOND = [{ address: '10.0.0.2', family: 4 }]

/** A resolver in our hand: what it says next, and how often it was asked. */
function resolver() {
  const state = { asked: 0, answer: (): Promise<readonly LookupAddress[]> => Promise.resolve(FIRST) }
  const lookup = createLookup(() => {
    state.asked += 1
    return state.answer()
  })
  const find = promisify((done: (error: Error | null, addresses: unknown) => void) =>
    lookup('db.test', { all: true }, done),
  )
  return { state, lookup, find }
}

const failing = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }))

t.test('while the resolver fails or hangs, the last address that it gave is used', async (t) => {
  const { state, find } = resolver()
  t.same(await find(), FIRST)
  for (const code of ['EAI_AGAIN', 'EAI_FAIL', 'ETIMEOUT']) {
    state.answer = failing(code)
    t.same(await find(), FIRST, code)
  }
  let giveUp = (): void => undefined
  state.answer = () =>
    new Promise((_, reject) => {
      giveUp = () => reject(new Error('EAI_AGAIN'))
    })
  const before = state.asked
  t.same(await Promise.all([find(), find(), find()]), [FIRST, FIRST, FIRST], 'it hangs')
  t.equal(state.asked, before + 1, 'one question is under way, however many ask')
  giveUp()
})

t.test('a new address is used at once, and that a name has gone is obeyed', async (t) => {
  const { state, find } = resolver()
  t.same(await find(), FIRST)
  state.answer = () => Promise.resolve(SECOND)
  t.same(await find(), SECOND)
  state.answer = failing('ENOTFOUND')
  await t.rejects(find(), { code: 'ENOTFOUND' })
})

t.test('a name that was never found is an error, and the next one asks again', async (t) => {
  const { state, find } = resolver()
  state.answer = failing('EAI_AGAIN')
  await t.rejects(find(), { code: 'EAI_AGAIN' })
  state.answer = () => Promise.resolve(FIRST)
  t.same(await find(), FIRST)
  t.equal(state.asked, 2)
})

t.test('a socket finds its way by it, whether it asks for one address or all', async (t) => {
  const { state, lookup } = resolver()
  state.answer = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }])
  const server = createServer((socket) => socket.end('here'))
  await promisify((done: () => void) => server.listen(0, '127.0.0.1', done))()
  t.teardown(() => server.close())
  const at = server.address()
  const port = typeof at === 'object' && at !== null ? at.port : 0
  for (const autoSelectFamily of [true, false]) {
    const socket = connect({ host: 'db.test', port, lookup, autoSelectFamily })
    let heard = ''
    for await (const chunk of socket) heard += String(chunk)
    t.equal(heard, 'here', `all: ${autoSelectFamily}`)
  }
})
