import { request } from 'node:http'
import { decodeProtectedHeader } from 'jose'
import t from 'tap'
import { signedIn } from '../helpers/accounts.ts'
import type { TestApp } from '../helpers/app.ts'
import { forgedTokens } from '../helpers/forged-tokens.ts'
import { ALGORITHMS } from '../helpers/keys.ts'
import { serviceSigning } from '../helpers/signers.ts'

/** By node:http, which sends what fetch would refuse to. Everything of the answer but what is new in each. */
function ask(
  { url }: TestApp,
  authorization: string,
): Promise<{ status: number; rest: string; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/check-auth-status`, { headers: { authorization } }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk) => (text += chunk))
      answer.once('end', () => {
        const { date: _, 'x-request-id': __, ...headers } = answer.headers
        const body = text.replace(/"request_id":"[0-9a-f-]{36}"/, '"request_id":""')
        resolve({ status: answer.statusCode ?? 0, rest: JSON.stringify([headers, body]), text })
      })
    })
    asked.once('error', reject)
    asked.end()
  })
}

for (const algorithm of ALGORITHMS) {
  t.test(`every forged token is one constant 401 where ${algorithm} signs`, async (t) => {
    const { service, key } = await serviceSigning(t, algorithm)
    const { access } = await signedIn(service)
    t.match(decodeProtectedHeader(access), { alg: algorithm, kid: key.kid, typ: 'at+jwt' })
    for (const time of ['good', 'kept', 'remembered'])
      t.equal((await ask(service, `Bearer ${access}`)).status, 200, `the good one is ${time}`)

    const answers = new Map<string, string[]>()
    const forged = forgedTokens(access, key, Math.floor(Date.now() / 1000))
    t.ok(forged.length > 400, `${forged.length} forgeries`)
    for (const { row, what, token } of forged) {
      // Headers of more than 8 KiB never reach the service.
      const { status, rest, text } = await ask(service, `Bearer ${token}`)
      const fitting = token.length < 8000 ? status === 401 : status === 401 || status === 431
      if (!fitting) t.fail(`${row} ${what}: ${status}`)
      if ((token.length > 20 && text.includes(token.slice(-40))) || text.includes(`"${key.kid}"`))
        t.fail(`${row} ${what}: it is repeated`)
      if (status === 401) answers.set(rest, [...(answers.get(rest) ?? []), `${row} ${what}`])
    }
    t.equal(answers.size, 1, `one answer, headers and all: ${[...answers.values()].map((whats) => whats[0])}`)
    t.match([...answers.keys()][0], /invalid_token/)
    t.equal((await ask(service, `Bearer ${access}`)).status, 200, 'and the good one is as good as before')
  })
}
