import type { JwtValidators } from '../../../types/jwt.js'
import { validatorPatchSchema, validatorSchema, validatorSecrets, type ValidatorInput, type ValidatorPatch } from '../../jwt/validator-schema.js'
import { sliceOf } from '../pages.js'
import { recordResource } from '../record-operations.js'
import type { Resource } from '../resource.js'
import { secretNames, viewSchema } from '../view-schema.js'

/** JWT validators, declared in code and stored. There are few: their lists are cut from the whole. */
export function validatorsResource (validators: JwtValidators): Resource {
  return recordResource({
    name: 'validators',
    noun: 'validator',
    role: 'system',
    input: validatorSchema,
    patch: validatorPatchSchema,
    view: viewSchema({ ...validatorSchema.properties, audience: { type: 'array', items: { type: 'string' } }, publicKey: { type: 'string' } }, { secrets: validatorSecrets, declared: true }),
    filters: { name: { type: 'string', maxLength: 128 }, enabled: { type: 'boolean' }, signatureType: validatorSchema.properties.signatureType },
    secrets: secretNames(...validatorSecrets),
    records: {
      page: async (limit, after, matching) => await sliceOf(await validators.list(), limit, after, ({ name }) => name, matching),
      get: async (key) => await validators.get(key),
      create: async (input: ValidatorInput, note) => ({ view: await validators.create(input, note) }),
      update: async (key, patch: ValidatorPatch, change) => await validators.update(key, patch, change),
      remove: async (key, change) => { await validators.remove(key, change) },
      secrets: async (key, note) => await validators.secrets(key, note)
    }
  })
}
