import { Readable } from 'node:stream'
import { describe, expect, test } from 'tstyche'
import {
  apiKey, basic, bearer, createConnector, hmac, isConnectorHttpError, jwtAssertion, storeHeaders, withHeaders, type Connector, type ConnectorOptions, type ConnectorRequestOptions,
  type ConnectorResponse, type Strategy
} from '../../connectors.js'

const auth = bearer('token')

describe('createConnector', () => {
  test('needs a base URL and a strategy, and takes nothing it does not know', () => {
    expect(createConnector).type.toBeCallableWith({ baseUrl: 'https://api.example', auth })
    expect(createConnector).type.toBeCallableWith({ baseUrl: 'https://api.example', auth, headers: { a: 'b' }, timeoutMs: 1, retries: 0, allowInsecure: true, maxBytes: 1, fetch, random: Math.random })
    expect(createConnector).type.not.toBeCallableWith({ baseUrl: 'https://api.example' })
    expect(createConnector).type.not.toBeCallableWith({ auth })
    expect(createConnector).type.not.toBeCallableWith({ baseUrl: 'https://api.example', auth, timeout: 1 })
    expect<ConnectorOptions>().type.not.toBeAssignableFrom({ baseUrl: new URL('https://api.example'), auth })
    expect<ConnectorOptions>().type.not.toBeAssignableFrom({ baseUrl: 'https://api.example', auth: 'token' })
  })

  test('answers status, headers and data', () => {
    const api = createConnector({ baseUrl: 'https://api.example', auth })
    expect(api).type.toBe<Connector>()
    expect(api.request('POST', '/orders', { json: {} })).type.toBe<Promise<ConnectorResponse>>()
    expect(api.get('/orders')).type.toBe<Promise<ConnectorResponse>>()
    expect<ConnectorResponse['headers']['etag']>().type.toBe<string | undefined>()
    expect<ConnectorResponse['headers']['set-cookie']>().type.toBe<string[] | undefined>()
    expect<ConnectorResponse['data']>().type.toBe<unknown>()
  })

  test('requests', () => {
    expect<ConnectorRequestOptions>().type.toBeAssignableFrom({ query: { a: 1, b: ['x', true], c: null, d: undefined }, headers: {}, signal: AbortSignal.timeout(1), idempotent: true, as: 'bytes' as const })
    for (const body of ['text', new Uint8Array(1), new Blob([]), Readable.from([Buffer.from('a')]), () => Readable.from([Buffer.from('a')])]) expect<ConnectorRequestOptions>().type.toBeAssignableFrom({ body })
    expect<ConnectorRequestOptions>().type.not.toBeAssignableFrom({ form: { a: { b: 1 } } })
    expect<ConnectorRequestOptions>().type.not.toBeAssignableFrom({ body: 7 })
    expect<ConnectorRequestOptions>().type.not.toBeAssignableFrom({ as: 'stream' as const })
  })

  test('its errors are narrowed', () => {
    const error: unknown = null
    if (isConnectorHttpError(error)) {
      expect(error.code).type.toBe<'DWA_CONNECTOR_HTTP'>()
      expect(error.status).type.toBe<number>()
      expect(error.body).type.toBe<string | null>()
    }
  })
})

describe('strategies', () => {
  test('each takes its own options', () => {
    expect(apiKey).type.toBeCallableWith({ key: 'k', secret: 's', scheme: 'ApiKey' })
    expect(apiKey).type.not.toBeCallableWith({ secret: 's' })
    expect(bearer).type.toBeCallableWith(async () => 'token')
    expect(bearer).type.not.toBeCallableWith(() => null)
    expect(basic).type.not.toBeCallableWith({ username: 'a' })
    expect(hmac).type.toBeCallableWith({ key: 'k', secret: 's', canonicalJson: 'compact' })
    expect(hmac).type.not.toBeCallableWith({ key: 'k', secret: 's', canonicalJson: 'perl' })
    expect(jwtAssertion).type.toBeCallableWith({ issuer: 'me', privateKey: 'PEM', algorithm: 'RS256', expiresIn: 60, audience: 'them' })
    expect(jwtAssertion).type.not.toBeCallableWith({ issuer: 'me', secret: 's', algorithm: 'ES256' })
    expect(storeHeaders).type.not.toBeCallableWith({ storeId: 42, apiKey: 'k' })
  })

  test('an app can write its own', () => {
    expect<Strategy>().type.toBeAssignableFrom({ name: 'own', apply: (request: Parameters<Strategy['apply']>[0]) => withHeaders(request, { a: 'b' }) })
    expect<Strategy>().type.toBeAssignableFrom({ name: 'own', secrets: ['s'], apply: async (request: Parameters<Strategy['apply']>[0]) => request, onUnauthorized: async () => {} })
    expect<Strategy>().type.not.toBeAssignableFrom({ apply: (request: Parameters<Strategy['apply']>[0]) => request })
    expect<Strategy>().type.not.toBeAssignableFrom({ name: 'own', apply: () => 'token' })
  })
})
