import type { FromSchema } from 'json-schema-to-ts'
import type { PublicKeyAlgorithmName, SecretAlgorithm } from './algorithms.js'

const secretAlgorithms = ['HS256', 'HS384', 'HS512'] as const satisfies readonly SecretAlgorithm[]
const publicKeyAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'ES256K', 'EdDSA'] as const satisfies readonly PublicKeyAlgorithmName[]
const jsonKey = { type: 'object', additionalProperties: true } as const

/** A validator as it is given: to `create`, in `jwt.validators`, and (all fields optional, null clears) to `update`. */
export const validatorSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'signatureType', 'audience', 'issuer'],
  properties: {
    name: { type: 'string', maxLength: 128, description: 'Identifier: Unicode letters, digits and `_`, not starting with a digit. Unique.' },
    enabled: { type: 'boolean', default: true, description: 'A disabled validator answers like an unknown one.' },
    signatureType: { type: 'string', enum: ['secret', 'public_key'], description: 'Where the key comes from.' },
    secretKey: { type: 'string', maxLength: 4096, description: 'HMAC secret, required for `secret`; at least as many bytes as the hash. Write-only.' },
    secretAlgorithm: { type: 'string', enum: secretAlgorithms, default: 'HS256', description: 'The one accepted algorithm for `secret`.' },
    allowShortSecret: { type: 'boolean', default: false, description: 'Accepts a secretKey shorter than the hash, for migration; leaves an audit entry.' },
    publicKeyJwkUri: { type: 'string', maxLength: 2048, description: 'https URL of a JWK Set, required for `public_key` unless publicKey is given.' },
    publicKey: { anyOf: [{ type: 'string', maxLength: 65536 }, jsonKey], description: 'PEM, JWK or JWK Set in place of publicKeyJwkUri.' },
    publicKeyAlgorithm: {
      type: 'string',
      enum: publicKeyAlgorithms,
      default: 'RS256',
      description: 'The one accepted algorithm for `public_key`.'
    },
    audience: {
      anyOf: [{ type: 'string', maxLength: 4096 }, { type: 'array', items: { type: 'string', minLength: 1, maxLength: 1024 }, minItems: 1, maxItems: 100 }],
      description: 'A token needs one of them in `aud`; a string is split on commas and trimmed.'
    },
    issuer: { type: 'string', minLength: 1, maxLength: 2048, description: 'Must equal `iss` exactly.' },
    clockTolerance: { type: 'number', minimum: 0, maximum: 300, default: 0, description: 'Seconds, for exp, nbf and iat.' },
    typ: { type: 'string', minLength: 1, maxLength: 128, description: 'When set, the header\'s `typ` must match, in any letter case, with or without `application/`.' },
    userIdStrategy: { type: 'string', minLength: 1, default: 'static', description: '`static`, `claim`, or a name in `jwt.userIdStrategies`.' },
    staticUserId: { type: 'string', minLength: 1, description: 'The user id of `static`. Required when `static` is named; a validator that names neither has no user.' },
    userIdClaim: { type: 'string', minLength: 1, default: 'sub', description: 'For `claim`.' },
    partnerIdStrategy: { type: 'string', minLength: 1, description: '`email`, or a name in `jwt.partnerIdStrategies`; absent: none.' },
    partnerIdRequired: { type: 'boolean', default: false, description: 'No partner is 401 instead of null.' },
    requiredScopes: { type: 'array', items: { type: 'string', pattern: '^[\\x21\\x23-\\x5B\\x5D-\\x7E]{1,256}$' }, maxItems: 100, description: 'Scopes every token needs (claims `scope` or `scp`); missing is 403.' },
    nextValidator: { type: 'string', description: 'Name of the validator to ask when this one refuses.' },
    cookieEnabled: { type: 'boolean', default: false, description: 'Cookie mode.' },
    cookieName: { type: 'string', default: 'authorization', description: 'Prefix `__Host-` recommended.' },
    cookiePath: { type: 'string', default: '/', description: 'Path attribute.' },
    cookieMaxAge: { type: 'integer', minimum: 1, maximum: 31536000000, default: 31536000, description: 'Seconds.' },
    cookieSecure: { type: 'boolean', default: true, description: 'Secure attribute.' },
    cookieSameSite: { type: 'string', enum: ['Lax', 'Strict', 'None'], default: 'Lax', description: '`None` only with cookieSecure.' },
    cookieRenew: { type: 'boolean', default: true, description: 'false: the cookie is set on header authentication only.' },
    cookieCsrf: { type: 'boolean', default: true, description: 'Refuses cross-site unsafe requests that authenticate by cookie.' },
    cookieSecret: { type: 'string', maxLength: 4096, description: 'HMAC secret of the cookie; absent: derived from the store\'s key. Write-only.' }
  }
} as const

/** A validator as it is given. */
export type ValidatorInput = FromSchema<typeof validatorSchema, { keepDefaultedPropertiesOptional: true }>

/** Some fields of a validator; null clears an optional field. */
export type ValidatorPatch = { [Field in keyof ValidatorInput]?: ValidatorInput[Field] | null }

/** The write-only fields. */
export const validatorSecrets = ['secretKey', 'cookieSecret'] as const

/** A change of a validator, field by field: null clears what is not required. */
export const validatorPatchSchema = {
  ...validatorSchema,
  required: [],
  properties: Object.fromEntries(Object.entries(validatorSchema.properties).map(([name, { ...schema }]) => {
    const isRequired = validatorSchema.required.some((required) => required === name)
    return [name, isRequired ? schema : { anyOf: [schema, { type: 'null' }] }]
  }))
}

/** A validator's secrets in plain text; null for one that is not set. */
export interface ValidatorSecrets { readonly secretKey: string | null, readonly cookieSecret: string | null }

/** A given validator once its defaults are filled in. */
export type DefaultedValidator = FromSchema<typeof validatorSchema>

/** A validator in its one normal form, without its secrets: what is stored in the clear, compiled and shown. */
export type ValidatorFields = Omit<DefaultedValidator, typeof validatorSecrets[number] | 'audience' | 'publicKey'> & {
  audience: string[]
  publicKey?: string
}

/** A validator as `get` and `list` show it: without its secrets. */
export type ValidatorView = ValidatorFields & {
  /** Null for a code-declared validator, which has its name only. */
  id: string | null
  /** Counts the changes, from 1; 0 for a code-declared validator. */
  version: number
  hasSecretKey: boolean
  hasCookieSecret: boolean
  createdAt: Date | null
  updatedAt: Date | null
}
