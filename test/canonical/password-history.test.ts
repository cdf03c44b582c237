import t from 'tap'
import type { Person } from '../helpers/accounts.ts'
import { register, resetToken, signIn } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { startApp } from '../helpers/app.ts'
import { bearer, post } from '../helpers/client.ts'

const passwords = Array.from({ length: 6 }, (_, index) => `caf\u00e9 by the river no. ${'abcdef'[index]}`)
const [first = '', second = '', third = '', fourth = '', fifth = ''] = passwords

async function change(service: TestApp, person: Person, from: string, to: string) {
  const { access } = await signIn(service, { ...person, password: from })
  const fields = { current_password: from, new_password: to }
  return post(`${service.url}/change-password`, fields, { headers: bearer(access) })
}

async function kept(service: TestApp): Promise<number> {
  const { rows } = await service.app.database.pool.query('SELECT count(*)::int AS n FROM password_history')
  return rows[0].n
}

t.test('with PASSWORD_HISTORY=2 neither the present password nor the two before it come again', async (t) => {
  const service = await startApp(t, { PASSWORD_HISTORY: '2' })
  const person = await register(service)
  const chain = [person.password, first, second, third]
  for (const [index, to] of chain.slice(1).entries()) {
    t.equal((await change(service, person, chain[index] ?? '', to)).status, 200)
  }
  t.equal(await kept(service), 2, 'no more is kept than is asked for')

  for (const used of [third, second, first, second.normalize('NFD')]) {
    t.match(await change(service, person, third, used), {
      status: 400,
      body: {
        code: 'validation_failed',
        errors: {
          new_password: [/^You have used this password before\. Choose one that is not among your last 3\.$/],
        },
      },
    })
  }
  t.match(await change(service, person, third, 'short'), {
    status: 400,
    body: { errors: { new_password: [/too short/] } },
  })
  t.equal((await change(service, person, third, fourth)).status, 200)
  t.equal((await change(service, person, fourth, first)).status, 200, 'the one before those may')
  t.equal((await post(`${service.url}/token`, { username: person.username, password: first })).status, 200)
})

t.test('a reset keeps to the history too, and its link is as good as before', async (t) => {
  const service = await startApp(t, { PASSWORD_HISTORY: '2' })
  const person = await register(service)
  await change(service, person, person.password, first)
  const token = await resetToken(service, person.email)
  for (const used of [first, person.password]) {
    t.match(await post(`${service.url}/reset`, { token, password: used }), {
      status: 400,
      body: { errors: { password: [/used this password before/] } },
    })
  }
  t.equal((await post(`${service.url}/reset`, { token, password: second })).status, 200)
  t.match(await change(service, person, second, first), { status: 400 }, 'what a reset replaced counts')
})

t.test('a history is its account\u2019s alone', async (t) => {
  const service = await startApp(t, { PASSWORD_HISTORY: '5' })
  const [one, other] = [await register(service), await register(service)]
  t.equal((await change(service, one, one.password, first)).status, 200)
  t.equal((await change(service, other, other.password, first)).status, 200)
  t.equal((await change(service, other, first, one.password)).status, 200)
})

t.test(
  'without PASSWORD_HISTORY nothing is kept and nothing is refused; a shorter one forgets',
  async (t) => {
    const service = await startApp(t)
    const person = await register(service)
    for (const [from, to] of [
      [person.password, first],
      [first, first],
      [first, person.password],
    ] as const) {
      t.equal((await change(service, person, from, to)).status, 200)
    }
    t.equal(await kept(service), 0)

    const strict = await startApp(t, { PASSWORD_HISTORY: '3' }, { beside: service })
    for (const [from, to] of [
      [person.password, second],
      [second, third],
      [third, fourth],
    ] as const) {
      t.equal((await change(strict, person, from, to)).status, 200)
    }
    t.equal(await kept(service), 3)
    const milder = await startApp(t, { PASSWORD_HISTORY: '1' }, { beside: service })
    t.equal((await change(milder, person, fourth, second)).status, 200, 'two back')
    t.match(await change(milder, person, second, fourth), { status: 400 }, 'one back')
    t.equal((await change(milder, person, second, fifth)).status, 200)
    t.equal(await kept(service), 1)
  },
)

t.test('of two changes at once one wins, and the history has the password that it replaced', async (t) => {
  const service = await startApp(t, { PASSWORD_HISTORY: '5' })
  const replica = await startApp(t, { PASSWORD_HISTORY: '5' }, { beside: service })
  const person = await register(service)
  const both = [
    { at: service, to: first, access: (await signIn(service, person)).access },
    { at: replica, to: second, access: (await signIn(replica, person)).access },
  ]
  const answers = await Promise.all(
    both.map(({ at, to, access }) => {
      const fields = { current_password: person.password, new_password: to }
      return post(`${at.url}/change-password`, fields, { headers: bearer(access) })
    }),
  )
  t.equal(answers.filter(({ status }) => status === 200).length, 1)
  t.equal(await kept(service), 1)
})
