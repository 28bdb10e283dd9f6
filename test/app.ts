import type { Server } from 'node:http'
import Fastify, { type FastifyHttpOptions, type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import docuwareAuth, { type DocuwareAuthOptions, type DocuwareOptions, type JwtOptions } from '../index.js'
import { systemClock, type Clock } from '../lib/clock.js'
import type { ValidatorInput } from '../lib/jwt/validator-schema.js'
import { signToken, type SignTokenOptions } from '../testing/sign-token.js'
import type { Teardown } from './mongo.js'

/** A master key for tests. */
export const masterKey = Buffer.alloc(32, 1).toString('base64')
/** An HMAC secret for tests. */
export const secret = 'a secret of thirty-two bytes or more'
export const issuer = 'https://issuer.example'

/** A code-declared or stored validator that accepts what `token` signs. */
export function validator (name: string, { secretKey = secret, ...fields }: { [Field in keyof ValidatorInput]?: ValidatorInput[Field] } = {}): ValidatorInput {
  return { name, signatureType: 'secret', audience: 'api', issuer, ...(fields.signatureType === 'public_key' ? {} : { secretKey }), ...fields }
}

/** A token that `validator` accepts, with other claims on top. */
export function token (claims: { readonly [name: string]: unknown } = {}, options: SignTokenOptions = { secret }): string {
  return signToken({ iss: issuer, aud: 'api', sub: 'u-1', ...claims }, options)
}

/** The system's timers with a time of one's own. */
export const clockAt = (now: () => number): Clock => ({ now, after: systemClock.after })

export const bearer = (value: string) => ({ authorization: `Bearer ${value}` })

export interface AppOptions {
  readonly uri: string
  readonly jwt?: JwtOptions
  /** Without it there is no docuware plugin. */
  readonly docuware?: DocuwareOptions
  readonly store?: Partial<DocuwareAuthOptions['store']>
  readonly publicUrl?: string
  readonly fastify?: FastifyHttpOptions<Server>
  /** Runs after the plugins are registered, before `ready`. */
  readonly routes?: (app: FastifyInstance) => void
  /** Runs before the plugins are registered. */
  readonly before?: (app: FastifyInstance) => void | Promise<void>
}

/** An app with the umbrella plugin, closed with the test; `ready` is left to the caller. */
export async function buildApp (t: Teardown, { uri, jwt = {}, docuware, store = {}, publicUrl, fastify = {}, routes, before }: AppOptions): Promise<FastifyInstance> {
  const app = Fastify(fastify)
  t.teardown(() => app.close())
  app.addHook('preHandler', async ({ jwtPayload }) => { handed.set(app, jwtPayload) })
  await before?.(app)
  await app.register(docuwareAuth, { store: { uri, secretKeys: [masterKey], ...store }, jwt, ...(docuware === undefined ? {} : { docuware }), ...(publicUrl === undefined ? {} : { publicUrl }) })
  routes?.(app)
  return app
}

/** The claims that an app's last request was handed. */
const handed = new WeakMap<FastifyInstance, unknown>()

/** Uses a token until it is kept, which shows in its claims: a request is handed the very object that the one before was. */
export async function keepToken (t: Test, app: FastifyInstance, url: string, value: string): Promise<void> {
  const claims: unknown[] = []
  for (let use = 1; use <= 3; use++) {
    t.equal((await app.inject({ url, headers: bearer(value) })).statusCode, 200, `${url}, use ${use}`)
    claims.push(handed.get(app))
  }
  t.equal(claims[2], claims[1], 'the token is kept')
  t.type(claims[2], 'object')
}
