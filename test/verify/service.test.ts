import t from 'tap'
import { createVerifier } from '../../src/verify/index.ts'
import { startApp, TEST_SECRETS } from '../helpers/app.ts'
import { send } from '../helpers/client.ts'

t.test('what Keyturn mints its verifier believes, whoever it is minted for', async (t) => {
  const service = await startApp(t, { EMAIL_VERIFICATION: 'off', PROFILE_CLAIMS: 'team,size,fit' })
  const verifier = createVerifier({
    issuer: service.config.jwtIssuer,
    audience: service.config.jwtAudience,
    secrets: TEST_SECRETS.JWT_SECRETS,
    maxLifetimeSeconds: service.config.accessTtlSeconds,
    profileClaims: ['team', 'size', 'fit'],
  })
  const people = [
    { first_name: 'Ada', last_name: 'Lovelace' },
    { first_name: '"Zoë\\', last_name: '梅 🧵 </script>' },
    { first_name: '', last_name: '', team: 'blau & "grün"', size: 1e21, fit: true },
    { first_name: '__proto__', last_name: 'constructor', team: '1', size: -0.5, fit: false },
  ]
  for (const [index, person] of people.entries()) {
    const username = `person${index}`
    const body = { username, email: `${username}@example.org`, password: 'a-cup-of-stars', ...person }
    const { status, body: answer } = await send('POST', `${service.url}/register`, body)
    t.equal(status, 201, JSON.stringify(answer))
    const { claims, error } = await verifier.verify(String(Object(answer).access))
    t.equal(error, undefined)
    const { first_name, last_name, ...profile } = person
    t.match(claims, { username, email: body.email, first_name, last_name, roles: [], email_verified: true })
    t.strictSame(claims?.profile, profile)
    t.equal(claims?.user_id, Object(answer).user.id)
  }
  t.equal((await verifier.verify('')).error?.code, 'token_malformed')
})

t.test('the refresh token, and the token of another environment, open nothing', async (t) => {
  const [service, staging] = [
    await startApp(t, { EMAIL_VERIFICATION: 'off' }),
    await startApp(t, { EMAIL_VERIFICATION: 'off', PUBLIC_URL: 'http://staging.test' }),
  ]
  const { jwtIssuer: issuer, jwtAudience: audience } = service.config
  const verifier = createVerifier({ issuer, audience, secrets: TEST_SECRETS.JWT_SECRETS })
  const body = { username: 'ada', email: 'ada@example.org', password: 'a-cup-of-stars' }
  const { body: own } = await send('POST', `${service.url}/register`, body)
  const { body: other } = await send('POST', `${staging.url}/register`, body)
  t.equal((await verifier.verify(Object(own).refresh)).error?.code, 'token_malformed')
  t.equal((await verifier.verify(Object(other).access)).error?.code, 'issuer_wrong')
})
