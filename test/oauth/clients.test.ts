import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import t from 'tap'
import { signedIn } from '../helpers/accounts.ts'
import { get } from '../helpers/client.ts'
import { startIssuer } from '../helpers/issuer.ts'
import { SERVICE, WITH_SERVICE } from '../helpers/service-client.ts'

/** What it was refused with; a promise that is kept is no refusal, and matches nothing. */
const refusalOf = (asked: Promise<unknown>): Promise<unknown> =>
  asked.then(
    () => undefined,
    (error: unknown) => error,
  )

const insecure = { [oauth.allowInsecureRequests]: true }

t.test('oauth4webapi discovers, refreshes, introspects and revokes', async (t) => {
  const service = await startIssuer(t, WITH_SERVICE)
  const { access, refresh, username } = await signedIn(service)
  const issuer = new URL(service.url)
  const as = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
  )

  const app: oauth.Client = { client_id: 'my-app' }
  const refreshed = await oauth.processRefreshTokenResponse(
    as,
    app,
    await oauth.refreshTokenGrantRequest(as, app, oauth.None(), refresh, insecure),
  )
  t.equal(refreshed.token_type, 'bearer')
  t.ok(refreshed.expires_in && refreshed.expires_in > 0)
  const { access_token: newAccess, refresh_token: newRefresh = '' } = refreshed
  t.not(newRefresh, refresh)
  t.equal((await get(`${service.url}/check-auth-status`, newAccess)).body['username'], username)

  const api: oauth.Client = { client_id: SERVICE.id }
  const auth = oauth.ClientSecretBasic(SERVICE.secret)
  const introspect = async (token: string) =>
    oauth.processIntrospectionResponse(
      as,
      api,
      await oauth.introspectionRequest(as, api, auth, token, insecure),
    )
  t.match(await introspect(access), { active: true, username, iss: service.url, token_type: 'Bearer' })
  t.match(await introspect(newRefresh), { active: true, iss: service.url })
  t.strictSame({ ...(await introspect(refresh)) }, { active: false }, 'it has a successor')
  t.strictSame({ ...(await introspect('whatever')) }, { active: false })

  const revoke = async (token: string) =>
    oauth.processRevocationResponse(await oauth.revocationRequest(as, api, auth, token, insecure))
  await revoke('whatever')
  await revoke(newRefresh)
  t.strictSame({ ...(await introspect(newAccess)) }, { active: false })
  t.equal((await get(`${service.url}/check-auth-status`, newAccess)).status, 401)
  t.match(
    await refusalOf(
      oauth.processRefreshTokenResponse(
        as,
        app,
        await oauth.refreshTokenGrantRequest(as, app, oauth.None(), newRefresh, insecure),
      ),
    ),
    { error: 'invalid_grant', status: 400 },
  )
  t.match(
    await refusalOf(
      oauth.processIntrospectionResponse(
        as,
        api,
        await oauth.introspectionRequest(as, api, oauth.ClientSecretBasic('wrong'), newAccess, insecure),
      ),
    ),
    { status: 401 },
  )
})

t.test('openid-client discovers, refreshes, introspects and revokes', async (t) => {
  const service = await startIssuer(t, WITH_SERVICE)
  const { refresh, username } = await signedIn(service)
  const discover = (clientId: string, auth: openid.ClientAuth) =>
    openid.discovery(new URL(service.url), clientId, undefined, auth, {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    })
  const app = await discover('my-app', openid.None())
  t.equal(app.serverMetadata().issuer, service.url)
  const { access_token: access, refresh_token: next = '' } = await openid.refreshTokenGrant(app, refresh)

  const api = await discover(SERVICE.id, openid.ClientSecretBasic(SERVICE.secret))
  t.match(await openid.tokenIntrospection(api, access), { active: true, username })
  t.match(await openid.tokenIntrospection(api, next), { active: true })
  const again = await openid.refreshTokenGrant(api, next)
  t.ok(again.refresh_token, 'a service that sends its credentials may refresh too')
  await openid.tokenRevocation(api, again.access_token)
  t.match(await openid.tokenIntrospection(api, again.access_token), { active: false })
  t.match(await refusalOf(openid.refreshTokenGrant(app, again.refresh_token ?? '')), {
    error: 'invalid_grant',
  })
})
