import { clientSecrets, clientSettings } from './oauth2/client-settings.js'
import { apiKey, apiKeySchema, type ApiKeyOptions } from './strategies/api-key.js'
import { basic, basicSchema, type BasicOptions } from './strategies/basic.js'
import { bearer } from './strategies/bearer.js'
import { headerText } from './strategies/header-schema.js'
import { hmac, hmacSchema, type HmacOptions } from './strategies/hmac.js'
import { jwtAssertion, jwtAssertionSchema, type JwtAssertionOptions } from './strategies/jwt-assertion.js'
import { storeHeaders, storeHeadersSchema, type StoreHeadersOptions } from './strategies/store-headers.js'
import type { Strategy } from './strategy.js'

/** A strategy that can be kept: its settings as JSON, and which of them are secret. */
interface StrategyType {
  readonly schema: { readonly type: 'object', readonly additionalProperties: false, readonly required: readonly string[], readonly properties: { readonly [name: string]: object } }
  readonly secrets: readonly string[]
  /** Of settings that fit the schema; null for `oauth2`, whose tokens are kept elsewhere. @throws DWA_OPTIONS_INVALID */
  readonly make: ((settings: never) => Strategy) | null
}

const { clock: _hmacClock, ...hmacProperties } = hmacSchema.properties
const { clock: _jwtClock, ...jwtProperties } = jwtAssertionSchema.properties
const object = { type: 'object', additionalProperties: false } as const

export const strategyTypes = {
  apiKey: { schema: apiKeySchema, secrets: ['key', 'secret'], make: (settings: ApiKeyOptions) => apiKey(settings) },
  bearer: { schema: { ...object, required: ['token'], properties: { token: headerText } }, secrets: ['token'], make: ({ token }: { readonly token: string }) => bearer(token) },
  oauth2: { schema: { ...object, required: ['clientId', 'authorizationUrl', 'tokenUrl'], properties: clientSettings }, secrets: clientSecrets, make: null },
  basic: { schema: basicSchema, secrets: ['password'], make: (settings: BasicOptions) => basic(settings) },
  hmac: { schema: { ...hmacSchema, properties: hmacProperties }, secrets: ['key', 'secret'], make: (settings: HmacOptions) => hmac(settings) },
  jwtAssertion: { schema: { ...jwtAssertionSchema, properties: jwtProperties }, secrets: ['secret', 'privateKey'], make: (settings: JwtAssertionOptions) => jwtAssertion(settings) },
  storeHeaders: { schema: storeHeadersSchema, secrets: ['apiKey'], make: (settings: StoreHeadersOptions) => storeHeaders(settings) }
} as const satisfies Record<string, StrategyType>

export type StrategyName = keyof typeof strategyTypes

export const strategyNames = Object.keys(strategyTypes) as StrategyName[]

/** The settings of a strategy by themselves: no secrets, and secrets alone. */
export function splitSettings (type: StrategyName, settings: Readonly<Record<string, unknown>>): { readonly plain: Record<string, unknown>, readonly secret: Record<string, string> } {
  const names: readonly string[] = strategyTypes[type].secrets
  const entries = Object.entries(settings)
  return {
    plain: Object.fromEntries(entries.filter(([name]) => !names.includes(name))),
    secret: Object.fromEntries(entries.filter((entry): entry is [string, string] => names.includes(entry[0]) && typeof entry[1] === 'string'))
  }
}

/** The strategy of settings that are complete. @throws DWA_OPTIONS_INVALID when they are not */
export function makeStrategy (type: Exclude<StrategyName, 'oauth2'>, settings: object): Strategy {
  const make: (settings: never) => Strategy = strategyTypes[type].make
  return make(settings as never) // which checks them
}
