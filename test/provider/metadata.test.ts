import * as oauth from 'oauth4webapi'
import t from 'tap'
import type { ClientKey, StoredClient } from '../../lib/provider/client-schema.js'
import { metadataPath, readIssuer } from '../../lib/provider/issuer.js'
import { featuresOf, jwksUri, metadataOf } from '../../lib/provider/metadata.js'
import { storedClient } from './stored-client.js'

const issuer = 'https://app.example.com'
const baseUrl = `${issuer}/oauth2`
const nothing = { implicit: false, password: false, clientCredentials: false, jwt: false }

t.test('security 36: the issuer is kept as it was written, and must be one', async (t) => {
  for (const good of [issuer, `${issuer}/`, `${issuer}:8443`, `${issuer}/tenant/a_b.c~1-2`, `${issuer}/tenant/`, 'https://127.0.0.1', 'https://[2001:db8::1]']) {
    for (const allowInsecure of [true, false]) t.equal(readIssuer(good, allowInsecure), good)
  }
  for (const good of ['http://localhost:3000', 'http://127.0.0.1:3000/a', 'http://[::1]:3000']) {
    t.equal(readIssuer(good, true), good)
    t.throws(() => readIssuer(good, false), { code: 'DWA_OPTIONS_INVALID', message: 'provider.issuer: must be https (http only on loopback, with provider.allowInsecure)' }, good)
  }
  const bad: Array<[string, RegExp]> = [
    ['', /not a URL/], ['app.example.com', /not a URL/], ['/oauth2', /not a URL/],
    ['http://app.example.com', /must be https$/], ['http://10.0.0.1', /must be https$/], ['ftp://app.example.com', /must be https$/], ['urn:x', /must be https$/],
    [`${issuer}?a`, /query/], [`${issuer}?`, /query/], [`${issuer}#a`, /fragment/], [`${issuer}/#`, /fragment/],
    ['https://user@app.example.com', /credentials/], ['https://user:pw@app.example.com', /credentials/],
    ['https://App.example.com', /written as https:\/\/app\.example\.com$/], [`${issuer}:443/x`, /written as https:\/\/app\.example\.com\/x$/], [` ${issuer}`, /written as/],
    [`${issuer}/a/../b`, /written as .*\/b$/], ['https:app.example.com', /written as/], ['https://ünï.example', /written as https:\/\/xn--/],
    [`${issuer}//a`, /path of/], [`${issuer}/:tenant`, /path of/], [`${issuer}/*`, /path of/], [`${issuer}/a%2Fb`, /path of/]
  ]
  for (const [text, message] of bad) t.throws(() => readIssuer(text, true), { code: 'DWA_OPTIONS_INVALID', message }, text)
})

t.test('the metadata of an issuer with a path is where RFC 8414 and its clients look for it', async (t) => {
  for (const [path, expected] of [['', ''], ['/', ''], ['/tenant', '/tenant'], ['/tenant/', '/tenant'], ['/a/b', '/a/b']] as const) {
    t.equal(metadataPath(issuer + path), `/.well-known/oauth-authorization-server${expected}`)
    let asked: string | null = null
    const customFetch = async (url: string) => {
      asked = url
      return Response.json(metadataOf({ issuer: issuer + path, baseUrl, features: nothing, scopes: [] }))
    }
    const response = await oauth.discoveryRequest(new URL(issuer + path), { algorithm: 'oauth2', [oauth.customFetch]: customFetch })
    if (path !== '/tenant/') t.equal(asked, issuer + metadataPath(issuer + path), 'as oauth4webapi asks for it')
    t.equal((await response.json() as { issuer: string }).issuer, issuer + path)
  }
})

t.test('security 36: only what some enabled client may do is announced', async (t) => {
  const publicKey: ClientKey = { kid: 'k', algorithm: 'RS256', publicJwk: { kty: 'RSA' }, createdAt: 0, signsFrom: 0 }
  t.equal(featuresOf([storedClient({ applicationType: 'legacy', allowPassword: true })], false).password, false, 'no password without somebody to check it')
  const cases: Array<[string, Array<Partial<StoredClient>>, object]> = [
    ['nobody', [], nothing],
    ['plain clients', [{}, { applicationType: 'mobile', confidential: false }, { applicationType: 'legacy' }], nothing],
    ['client credentials', [{}, { applicationType: 'backend' }], { ...nothing, clientCredentials: true }],
    ['implicit', [{}, { applicationType: 'mobile', allowImplicit: true }], { ...nothing, implicit: true }],
    ['password', [{ applicationType: 'legacy', allowPassword: true }], { ...nothing, password: true }],
    ['JWTs', [{ tokenType: 'jwt', keys: [publicKey] }], { ...nothing, jwt: true }],
    ['JWTs of before', [{ tokenType: 'random', keys: [publicKey] }], { ...nothing, jwt: true }],
    ['JWTs with HMAC', [{ tokenType: 'jwt', jwtAlgorithm: 'HS512', keys: [{ ...publicKey, publicJwk: null }] }], nothing],
    ['switches of another type', [{ allowImplicit: true, allowPassword: true }], nothing],
    ['disabled ones', [{ applicationType: 'mobile', allowImplicit: true, enabled: false }, { applicationType: 'legacy', allowPassword: true, enabled: false }, { applicationType: 'backend', enabled: false }, { tokenType: 'jwt', keys: [publicKey], enabled: false }], nothing]
  ]
  for (const [what, clients, features] of cases) t.same(featuresOf(clients.map((fields) => storedClient({ tokenType: 'random', ...fields }))), features, what)
})

t.test('the metadata document is RFC 8414\'s, to the letter', async (t) => {
  const plain = {
    issuer: `${issuer}/tenant`,
    authorization_endpoint: `${baseUrl}/authorize`,
    token_endpoint: `${baseUrl}/token`,
    revocation_endpoint: `${baseUrl}/revoke`,
    introspection_endpoint: `${baseUrl}/introspect`,
    userinfo_endpoint: `${baseUrl}/userinfo`,
    scopes_supported: ['email', 'orders'],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
    revocation_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
    introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true
  }
  const input = { issuer: `${issuer}/tenant`, baseUrl, scopes: ['orders', 'email'] }
  t.strictSame(metadataOf({ ...input, features: nothing }), plain)
  t.strictSame(metadataOf({ ...input, features: { ...nothing, jwt: true } }), { ...plain, jwks_uri: `${baseUrl}/jwks` })
  t.equal(jwksUri(baseUrl), `${baseUrl}/jwks`)
  t.strictSame(metadataOf({ ...input, features: { ...nothing, clientCredentials: true } }), { ...plain, grant_types_supported: [...plain.grant_types_supported, 'client_credentials'] })
  t.strictSame(metadataOf({ ...input, features: { ...nothing, password: true } }), { ...plain, grant_types_supported: [...plain.grant_types_supported, 'password'] })
  t.strictSame(metadataOf({ ...input, features: { ...nothing, implicit: true } }), {
    ...plain,
    response_types_supported: ['code', 'token'],
    response_modes_supported: ['query', 'fragment'],
    grant_types_supported: [...plain.grant_types_supported, 'implicit']
  })
})
