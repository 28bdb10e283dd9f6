import type { RecordKind } from '../store/record-collection.js'
import { validatorSchema, validatorSecrets, type ValidatorFields } from './validator-schema.js'

/** What a validator record holds: the normal form, its secrets, and its link in stored form (see next-link.ts). */
export type StoredValidator = ValidatorFields & { secretKey?: string, cookieSecret?: string }

/** The validators kept by the store. */
export const validatorKind: RecordKind = {
  collection: 'validators',
  area: 'validator',
  nameField: 'name',
  secrets: validatorSecrets,
  schema: {
    ...validatorSchema,
    properties: {
      ...validatorSchema.properties,
      audience: { type: 'array', items: { type: 'string' } },
      publicKey: { type: 'string' }
    }
  },
  indexes: [{ keys: { nextValidator: 1 } }]
}
