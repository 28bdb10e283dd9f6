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
        size: { type: 'integer', minimum: 4096, maximum: 1e15, default: 67108864 },
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
