import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { errors, isAuthError } from './lib/errors.js'
import { checkOptions } from './lib/options.js'
import { jwt, type JwtOptions } from './plugins/jwt.js'
import { store, type StoreOptions } from './plugins/store.js'

/** Options of the umbrella plugin: each key registers the plugin of that name, in this order. */
export interface DocuwareAuthOptions {
  /** External base URL of the app: every redirect URI and trusted origin is derived from it, never from a Host header. */
  readonly publicUrl?: string
  readonly store: Omit<StoreOptions, 'publicUrl'>
  readonly jwt?: JwtOptions
}

const optionsSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['store'],
  properties: { publicUrl: { type: 'string' }, store: { type: 'object' }, jwt: { type: 'object' } }
} as const

async function umbrella (app: FastifyInstance, options: DocuwareAuthOptions): Promise<void> {
  checkOptions('docuwareAuth', optionsSchema, options)
  await app.register(store, { ...options.store, ...(options.publicUrl === undefined ? {} : { publicUrl: options.publicUrl }) })
  if (options.jwt !== undefined) await app.register(jwt, options.jwt)
}

/** Registers `store` and every plugin that is configured. */
const docuwareAuth = Object.assign(fp(umbrella, { name: 'fastify-docuware-auth', fastify: '5.x' }), { store, jwt, errors, isAuthError })

export default docuwareAuth
export { docuwareAuth, docuwareAuth as 'module.exports', errors, isAuthError, jwt, store }
export type { AuthError, AuthErrorCode } from './lib/errors.js'
export type { Clock } from './lib/clock.js'
export type { Identity, IdentityStrategy, PartnerModel, StrategyContext } from './lib/jwt/identity.js'
export type { ValidatorInput, ValidatorPatch, ValidatorView } from './lib/jwt/validator-schema.js'
export type { ValidatorChange, ValidatorUpdate } from './lib/jwt/validators.js'
export type { AuditLog, LogQuery, Verification } from './lib/log/audit-log.js'
export type { Head } from './lib/log/heads.js'
export type { Actor, LogEntry, LogFields, LogLevel, Target } from './lib/log/log-entry.js'
export type { Access, Caller } from './lib/store/access.js'
export type { RouteClaimant, RouteHook } from './lib/store/route-auth.js'
export type { Store } from './lib/store/store.js'
export type { JwtPayload, JwtValidators, RequireAuthOptions } from './types/jwt.js'
export type { JwtOptions, StoreOptions }
