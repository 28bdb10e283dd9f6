import type { StoreSettings } from './open-store.js'

/** JSON schema of the store plugin's options. */
export const storeOptionsSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['secretKeys'],
  properties: {
    uri: { type: 'string', minLength: 1 },
    connection: { type: 'object' },
    secretKeys: { type: 'array', minItems: 1, items: { type: 'string' } },
    collectionPrefix: { type: 'string', pattern: '^[A-Za-z0-9_.-]{0,40}$', default: 'dwa_' },
    publicUrl: { type: 'string' },
    access: { function: true },
    log: {
      type: 'object',
      additionalProperties: false,
      properties: {
        size: { type: 'integer', minimum: 1048576, maximum: 1e15, default: 67108864 },
        max: { type: 'integer', minimum: 1, maximum: 2147483647 },
        uri: { type: 'string', minLength: 1 },
        personalData: { type: 'boolean', default: false },
        requireInsertOnly: { type: 'boolean', default: false },
        spool: { type: 'integer', minimum: 1, maximum: 1000000, default: 1000 }
      }
    },
    clock: { type: 'object' }
  }
} as const

/** The prefix of every collection, unless another is given. */
export const defaultPrefix = storeOptionsSchema.properties.collectionPrefix.default

/** The log's options with their defaults, also in place of an explicit `undefined`. */
export function logSettings (options: { readonly [Name in keyof StoreSettings['log']]?: StoreSettings['log'][Name] | undefined } = {}): StoreSettings['log'] {
  const { size, personalData, requireInsertOnly, spool } = storeOptionsSchema.properties.log.properties
  return {
    size: options.size ?? size.default,
    personalData: options.personalData ?? personalData.default,
    requireInsertOnly: options.requireInsertOnly ?? requireInsertOnly.default,
    spool: options.spool ?? spool.default,
    ...(options.max === undefined ? {} : { max: options.max }),
    ...(options.uri === undefined ? {} : { uri: options.uri })
  }
}
