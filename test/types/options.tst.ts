import Fastify, { type FastifyRequest } from 'fastify'
import { createConnection, type Model } from 'mongoose'
import { describe, expect, test } from 'tstyche'
import docuwareAuth, { jwt, store, type DocuwareAuthOptions, type JwtOptions, type StoreOptions } from '../../index.js'

const app = Fastify()
const validator = { name: 'demo', signatureType: 'secret', secretKey: 's'.repeat(32), audience: 'api', issuer: 'https://issuer.example' } as const
const minimal: StoreOptions = { uri: 'mongodb://127.0.0.1/app', secretKeys: ['…'] }

describe('the umbrella', () => {
  test('registers what is configured', () => {
    expect(app.register).type.toBeCallableWith(docuwareAuth, { store: minimal })
    expect(app.register).type.toBeCallableWith(docuwareAuth, { publicUrl: 'https://app.example.com', store: minimal, jwt: {} })
    expect<DocuwareAuthOptions>().type.toBeAssignableFrom({ store: minimal, jwt: { validators: [validator] } })
  })

  test('needs store, and takes nothing it does not know', () => {
    expect(app.register).type.not.toBeCallableWith(docuwareAuth, { jwt: {} })
    expect(app.register).type.not.toBeCallableWith(docuwareAuth, { store: minimal, jwtt: {} })
    expect<DocuwareAuthOptions>().type.not.toBeAssignableFrom({ store: { uri: 'mongodb://127.0.0.1/app' } })
    expect<DocuwareAuthOptions>().type.not.toBeAssignableFrom({ publicUrl: 1, store: minimal })
  })

  test('carries its plugins, for require()', () => {
    expect(docuwareAuth.store).type.toBe<typeof store>()
    expect(docuwareAuth.jwt).type.toBe<typeof jwt>()
  })
})

describe('store', () => {
  test('takes an address or the app\'s own connection', () => {
    expect(app.register).type.toBeCallableWith(store, minimal)
    expect(app.register).type.toBeCallableWith(store, { connection: createConnection(), secretKeys: ['…'], publicUrl: 'https://app.example.com' })
    expect<StoreOptions>().type.toBeAssignableFrom({ secretKeys: ['…'], collectionPrefix: 'dwa_', log: { size: 1 << 26, max: 1000, uri: 'mongodb://…', personalData: false, requireInsertOnly: true, spool: 10 } })
  })

  test('access says who calls, at once or later, or null', () => {
    expect<StoreOptions>().type.toBeAssignableFrom({ secretKeys: ['…'], access: () => null })
    expect<StoreOptions>().type.toBeAssignableFrom({ secretKeys: ['…'], access: async (request: FastifyRequest) => ({ id: request.ip, name: 'Ann', roles: ['system'] }) })
    expect<StoreOptions>().type.not.toBeAssignableFrom({ secretKeys: ['…'], access: () => ({ id: 'u1' }) })
  })

  test('wrong options are refused', () => {
    expect<StoreOptions>().type.not.toBeAssignableFrom({ uri: 'mongodb://127.0.0.1/app' })
    expect<StoreOptions>().type.not.toBeAssignableFrom({ secretKeys: 'one' })
    expect<StoreOptions>().type.not.toBeAssignableFrom({ secretKeys: ['…'], log: { size: '64 MB' } })
  })
})

describe('jwt', () => {
  const Partner = {} as Model<{ email: string, mail: string[] }>

  test('every option', () => {
    expect(app.register).type.toBeCallableWith(jwt, {})
    expect<JwtOptions>().type.toBeAssignableFrom({
      validators: [validator, { ...validator, name: 'other', audience: ['a', 'b'], cookieEnabled: true, cookieSameSite: 'Strict' as const }],
      userIdStrategies: { fromSub: async (claims: { readonly [name: string]: unknown }) => typeof claims['sub'] === 'string' ? claims['sub'] : null },
      partnerIdStrategies: { nobody: () => undefined },
      isSessionAuthenticated: (request: FastifyRequest) => request.ip === '',
      protect: { every: 'jwt_demo' },
      cache: { max: 0 },
      maxStaleSeconds: 60,
      trustedOrigins: ['https://shop.example'],
      allowInsecure: true,
      keySets: { allowPrivateAddresses: true },
      openapi: 'bearerAuth'
    })
  })

  test('a mongoose model serves as partners', () => {
    expect<JwtOptions>().type.toBeAssignableFrom({ partners: { model: Partner, emailField: 'mail' } })
    expect<JwtOptions>().type.not.toBeAssignableFrom({ partners: { model: 'Partner' } })
    expect<JwtOptions>().type.not.toBeAssignableFrom({ partners: { emailField: 'mail' } })
  })

  test('strategies are handed claims, request and validator', () => {
    type Strategy = NonNullable<JwtOptions['userIdStrategies']>[string]
    expect<Parameters<Strategy>[1]['request']>().type.toBe<FastifyRequest>()
    expect<Parameters<Strategy>[1]['validator']>().type.toBe<string>()
    expect<JwtOptions>().type.not.toBeAssignableFrom({ userIdStrategies: { wrong: () => true } })
  })

  test('wrong options are refused', () => {
    expect<JwtOptions>().type.not.toBeAssignableFrom({ protect: 'everything' as const })
    expect<JwtOptions>().type.not.toBeAssignableFrom({ cache: { max: '1000' } })
    expect<JwtOptions>().type.not.toBeAssignableFrom({ validators: [{ name: 'demo', signatureType: 'secret' as const }] })
    expect<JwtOptions>().type.not.toBeAssignableFrom({ validators: [{ ...validator, signatureType: 'none' as const }] })
    expect<JwtOptions>().type.not.toBeAssignableFrom({ validators: [{ ...validator, secretAlgorithm: 'RS256' as const }] })
  })
})
