import type { RecordKind } from '../store/record-collection.js'
import { validatorSchema, validatorSecrets, type ValidatorFields } from './validator-schema.js'

/** What a validator record holds: the normal form with its secrets, and in place of the next validator's name the link to it (see readLink). */
export type StoredValidator = Omit<ValidatorFields, 'nextValidator'> & { nextLink?: string, secretKey?: string, cookieSecret?: string }

const { nextValidator, ...properties } = validatorSchema.properties

/** The validators kept by the store. */
export const validatorKind: RecordKind = {
  collection: 'validators',
  area: 'validator',
  nameField: 'name',
  secrets: validatorSecrets,
  schema: {
    ...validatorSchema,
    properties: {
      ...properties,
      audience: { type: 'array', items: { type: 'string' } },
      publicKey: { type: 'string' },
      nextLink: nextValidator
    }
  },
  indexes: [{ keys: { nextLink: 1 } }]
}
