import Fastify, { type FastifyReply, type FastifyRequest, type onRequestHookHandler } from 'fastify'
import { describe, expect, test } from 'tstyche'
import { errors, isAuthError, type AuthError, type AuthErrorCode, type JwtPayload, type ValidatorInput, type ValidatorView } from '../../index.js'
import { signToken, startEmbeddedMongo, type EmbeddedMongo } from '../../testing/index.js'

declare module '../../index.js' {
  interface JwtPayload { readonly tenant?: string }
}

const app = Fastify()
const handler = async (): Promise<void> => {}

describe('a route', () => {
  test('says in its config how callers authenticate', () => {
    expect(app.get).type.toBeCallableWith('/', { config: { auth: 'jwt_demo', scopes: ['read'] } }, handler)
    expect(app.get).type.toBeCallableWith('/', { config: { auth: 'public_or_jwt_demo' } }, handler)
    expect(app.get).type.toBeCallableWith('/', { config: { auth: false as const } }, handler)
    expect(app.get).type.not.toBeCallableWith('/', { config: { auth: true } }, handler)
    expect(app.get).type.not.toBeCallableWith('/', { config: { auth: 'jwt_demo', scopes: 'read' } }, handler)
  })

  test('or by a hook of its own', () => {
    expect(app.requireAuth).type.toBeCallableWith('jwt_demo')
    expect(app.requireAuth).type.toBeCallableWith('jwt_demo', { scopes: ['read'] })
    expect(app.requireAuth).type.not.toBeCallableWith()
    expect(app.requireAuth('jwt_demo')).type.toBe<onRequestHookHandler>()
    expect(app.requireRole('system')).type.toBe<onRequestHookHandler>()
    expect(app.get).type.toBeCallableWith('/', { onRequest: [app.requireRole('system'), app.requireAuth('jwt_demo')] }, handler)
  })

  test('finds on its request who was accepted, or null', () => {
    expect<FastifyRequest['jwtPayload']>().type.toBe<JwtPayload | null>()
    expect<FastifyRequest['jwtPartnerId']>().type.toBe<string | null>()
    expect<FastifyRequest['userId']>().type.toBe<string | null>()
    expect<FastifyRequest['jwtValidator']>().type.toBe<string | null>()
  })

  test('reads registered claims, unknown claims, and claims that the app merged in', () => {
    type Claims = NonNullable<FastifyRequest['jwtPayload']>
    expect<Claims['exp']>().type.toBe<number | undefined>()
    expect<Claims['aud']>().type.toBe<string | readonly string[] | undefined>()
    expect<Claims['anything']>().type.toBe<unknown>()
    expect<Claims['tenant']>().type.toBe<string | undefined>()
  })
})

describe('app.jwtValidators', () => {
  const validators = app.jwtValidators
  const given: ValidatorInput = { name: 'erp', signatureType: 'public_key', publicKeyJwkUri: 'https://issuer.example/jwks', audience: 'a1,a2', issuer: 'https://issuer.example' }

  test('creates, reads, changes and removes', () => {
    expect(validators.create(given, { actor: { type: 'user', id: 'u1' }, requestId: 'r1' })).type.toBe<Promise<ValidatorView>>()
    expect(validators.get('erp')).type.toBe<Promise<ValidatorView | null>>()
    expect(validators.list()).type.toBe<Promise<ValidatorView[]>>()
    expect(validators.update('erp', { name: 'crm', nextValidator: null }, { version: 3 })).type.toBe<Promise<ValidatorView>>()
    expect(validators.remove('erp')).type.toBe<Promise<void>>()
    expect(validators.clearCookie).type.toBeCallableWith({} as FastifyReply, 'erp')
  })

  test('refuses what is no validator', () => {
    expect(validators.create).type.not.toBeCallableWith({ name: 'erp' })
    expect(validators.create).type.not.toBeCallableWith({ ...given, publicKeyAlgorithm: 'HS256' as const })
    expect(validators.update).type.not.toBeCallableWith('erp', { issuer: 1 })
  })

  test('a view tells which secrets are set and never holds one', () => {
    expect<ValidatorView>().type.toHaveProperty('hasSecretKey')
    expect<ValidatorView>().type.toHaveProperty('hasCookieSecret')
    expect<ValidatorView>().type.not.toHaveProperty('secretKey')
    expect<ValidatorView>().type.not.toHaveProperty('cookieSecret')
    expect<ValidatorView['audience']>().type.toBe<string[]>()
    expect<ValidatorView['id']>().type.toBe<string | null>()
  })
})

describe('app.auditLog', () => {
  test('appends, finds, follows and verifies, and offers nothing that changes an entry', () => {
    expect(app.auditLog.append).type.toBeCallableWith('order.paid', { level: 'info' as const, target: { type: 'order', id: '1', name: null }, details: { total: 3 } })
    expect(app.auditLog.find).type.toBeCallableWith({ event: 'validator.*', from: new Date(), limit: 10, after: 'x' })
    expect(app.auditLog.tail()[Symbol.asyncIterator]).type.toBeCallableWith()
    expect<Awaited<ReturnType<typeof app.auditLog.verify>>['ok']>().type.toBe<boolean>()
    expect(app.auditLog).type.not.toHaveProperty('update')
    expect(app.auditLog).type.not.toHaveProperty('remove')
    expect(app.auditLog).type.not.toHaveProperty('delete')
  })
})

describe('errors', () => {
  test('isAuthError narrows to the code that is asked for, and a switch to the code of its case', () => {
    const error: unknown = new errors.DWA_STORE_UNAVAILABLE()
    if (isAuthError(error, 'DWA_STORE_UNAVAILABLE')) expect(error.code).type.toBe<'DWA_STORE_UNAVAILABLE'>()
    if (isAuthError(error)) {
      expect(error).type.toBe<AuthError>()
      expect(error.code).type.toBe<AuthErrorCode>()
      switch (error.code) {
        case 'DWA_JWT_INVALID_TOKEN':
          expect(error.code).type.toBe<'DWA_JWT_INVALID_TOKEN'>()
          break
        default:
          expect(error.code).type.toBe<Exclude<AuthErrorCode, 'DWA_JWT_INVALID_TOKEN'>>()
      }
    }
    expect(isAuthError).type.not.toBeCallableWith(error, 'DWA_NO_SUCH_CODE')
  })
})

describe('testing', () => {
  test('starts a MongoDB and signs tokens', () => {
    expect(startEmbeddedMongo()).type.toBe<Promise<EmbeddedMongo>>()
    expect(startEmbeddedMongo).type.toBeCallableWith({ auth: true })
    expect<EmbeddedMongo['uri']>().type.toBe<string>()
    expect(signToken({ sub: 'ann' }, { secret: 's' })).type.toBe<string>()
    expect(signToken).type.toBeCallableWith({}, { privateKey: { kty: 'EC' }, algorithm: 'ES256K' as const, header: { kid: '1' } })
    expect(signToken).type.not.toBeCallableWith({}, { secret: 's', algorithm: 'none' as const })
  })
})
