import dns, { type LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, get } from 'node:https'
import { syncBuiltinESMExports } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { discover } from '../../lib/docuware/discovery.js'
import { IdentityService } from '../../lib/docuware/identity-service.js'
import { asDocuware, docuwareApp } from './docuware-app.js'
import { rejection, testClient } from './rest-platform.js'

const pem = await readFile(join(import.meta.dirname, '..', 'fixtures', 'self-signed.pem'))

/** A server with a certificate that nobody vouches for. */
async function startSelfSigned (t: Test): Promise<{ readonly port: number, readonly seen: { connections: number, requests: number } }> {
  const seen = { connections: 0, requests: 0 }
  const server = createServer({ key: pem, cert: pem }, (_, response) => {
    seen.requests++
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  server.on('connection', () => { seen.connections++ })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, seen }
}

/** The identity service of a platform, with its endpoints at `origin`. */
function serviceAt (origin: string, platformUrl: string): IdentityService {
  const endpoint = (name: string): string => `${origin}/identity/connect/${name}`
  return new IdentityService({
    platformUrl,
    clientId: 'client',
    clientSecret: 'a secret',
    scopes: [],
    discovered: {
      identityUrl: `${origin}/identity`,
      issuer: `${origin}/identity`,
      authorizationEndpoint: endpoint('authorize'),
      tokenEndpoint: endpoint('token'),
      userinfoEndpoint: endpoint('userinfo'),
      revocationEndpoint: endpoint('revocation'),
      refreshTokenSupported: true,
      at: 0
    },
    timeoutMs: 5000,
    allowInsecure: true
  })
}

/** Everything that sends something to an identity service. */
const asks: Readonly<Record<string, (service: IdentityService) => Promise<unknown>>> = {
  'a code is exchanged': async (service) => await service.exchangeCode(new URL('https://app.example.com/docuware/oauth/callback?code=c&state=s'), { state: 's', codeVerifier: 'v'.repeat(43) }),
  'a token is refreshed': async (service) => await service.refresh('a refresh token'),
  'it is asked whose account it is': async (service) => await service.account('an-access-token'),
  'a token is revoked': async (service) => { await service.revoke('a refresh token', 'refresh_token') }
}

t.test('security 55: a certificate that nobody vouches for is refused before anything is sent', async (t) => {
  const { port, seen } = await startSelfSigned(t)
  const origin = `https://127.0.0.1:${port}`
  const platformUrl = `${origin}/DocuWare/Platform`
  const problem = 'self-signed certificate'
  await t.rejects(discover(platformUrl, { allowInsecure: true, now: Date.now }), { code: 'DWA_DOCUWARE_DISCOVERY', message: `Discovery failed: IdentityServiceInfo ${problem}`, cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } })
  const service = serviceAt(origin, platformUrl)
  for (const [what, ask] of Object.entries(asks)) await t.rejects(ask(service), { name: 'TokenFailure', kind: 'transient', message: problem }, what)
  t.equal(await service.isGone(), false, 'nor is that a reason to look elsewhere')
  t.match(await rejection(testClient(platformUrl).dw.get('/Organizations')), { code: 'DWA_DOCUWARE_UNREACHABLE', message: new RegExp(problem) })

  const { app } = await docuwareApp(t)
  const { id } = await app.docuware.connections.create({ name: 'acme', platformUrl, clientId: 'client', clientSecret: 'a secret' })
  t.match((await app.inject({ method: 'POST', url: `/docuware/connections/${id}/authorize`, headers: asDocuware })).json(), { statusCode: 502, code: 'DWA_DOCUWARE_DISCOVERY' })
  t.equal(seen.requests, 0)
  t.ok(seen.connections >= 7, `it was connected to ${seen.connections} times`)

  const [response] = await once(get(origin, { ca: pem, agent: false }), 'response')
  t.match(response.resume(), { statusCode: 200 }, 'who trusts it is served')
  t.equal(seen.requests, 1)
})

t.test('security 49: nothing is asked of an identity service with a private address for a cloud platform; one of your own may have one', async (t) => {
  const { port, seen } = await startSelfSigned(t)
  const { lookup } = dns
  const resolve = (name: string, _: object, callback: (error: Error | null, found: LookupAddress[]) => void): void => {
    callback(null, name === 'two.example.net' ? [{ address: '93.184.215.14', family: 4 }, { address: '127.0.0.1', family: 4 }] : [{ address: '127.0.0.1', family: 4 }])
  }
  Object.assign(dns, { lookup: resolve })
  syncBuiltinESMExports()
  t.teardown(() => {
    Object.assign(dns, { lookup })
    syncBuiltinESMExports()
  })
  for (const host of ['login.docuware.cloud', 'login.example.net', 'two.example.net', '127.0.0.1', 'localhost']) {
    const cloud = serviceAt(`https://${host}:${port}`, 'https://acme.docuware.cloud/DocuWare/Platform')
    for (const [what, ask] of Object.entries(asks)) await t.rejects(ask(cloud), { name: 'TokenFailure', kind: 'transient', reason: 'the connection failed (ERR_SPECIAL_ADDRESS)', message: host === '127.0.0.1' ? 'address 127.0.0.1 is not global' : `${host} resolves to 127.0.0.1, which is not global` }, `${host}: ${what}`)
    t.equal(await cloud.isGone(), false, host)
  }
  t.strictSame(seen, { connections: 0, requests: 0 })
  const own = serviceAt(`https://login.example.net:${port}`, 'https://dw.example.net/DocuWare/Platform')
  for (const [what, ask] of Object.entries(asks)) await t.rejects(ask(own), { message: 'self-signed certificate' }, what)
  t.strictSame(seen, { connections: 4, requests: 0 }, 'it is tried')
})
