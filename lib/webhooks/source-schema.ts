import type { FromSchema } from 'json-schema-to-ts'

const headerName = { type: 'string', minLength: 1, maxLength: 100, pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" } as const
const printable = { type: 'string', maxLength: 100, pattern: '^[\\x20-\\x7e]*$' } as const
const secretText = { type: 'string', minLength: 1, maxLength: 1000 } as const

/** What a source may be called. */
export const sourceName = { type: 'string', minLength: 1, maxLength: 100, pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$', description: 'Unique. What routes name in `config.webhook`.' } as const

/** One secret, or several while they are exchanged: each of them is right. */
export const secretSchema = { anyOf: [secretText, { type: 'array', items: secretText, minItems: 1, maxItems: 10 }], description: 'Write-only. The key, as its UTF-8 bytes; several while it is exchanged: each of them is right.' } as const

/** How a source signs, declared or stored. */
export const signingSchema = {
  preset: { type: 'string', enum: ['generic', 'docuware'], description: 'A well-known way of signing; what else is said here goes before it.' },
  header: { ...headerName, description: 'The header with the signature. Required without `preset`.' },
  algorithm: { type: 'string', enum: ['sha256', 'sha384', 'sha512', 'sha1'], description: 'The hash of the HMAC. Default `sha256`; `sha1` is for senders that know no better, and is warned of.' },
  encoding: { type: 'string', enum: ['hex', 'base64'], description: 'How the signature is written: `hex` (default) in lower case, or `base64` with padding.' },
  prefix: { ...printable, description: 'What stands before the signature in its header, such as `sha256=`. Default: nothing.' },
  timestamp: {
    type: 'object',
    additionalProperties: false,
    required: ['header', 'toleranceSeconds'],
    properties: {
      header: { ...headerName, description: 'The header with the time of sending: seconds since 1970.' },
      toleranceSeconds: { type: 'integer', minimum: 1, maximum: 86_400, description: 'How old a delivery may be, and how far ahead the sender\'s clock.' },
      prefix: { ...printable, description: 'What is signed before the time. Default: nothing.' },
      separator: { ...printable, description: 'What is signed between time and body. Default `.`.' }
    },
    description: 'Signed is `<prefix><time><separator><body>`, by default `<time>.<body>`; older deliveries are refused.'
  },
  idHeader: { ...headerName, description: 'The header with the id of a delivery: one that was handled is answered 200 without running the handler again.' },
  dedupeSeconds: { type: 'integer', minimum: 1, maximum: 30 * 86_400, description: 'How long ids are remembered. Default 86400; never less than twice `timestamp.toleranceSeconds`.' }
} as const

/** What is said about a stored source. */
export const sourceSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'secret'],
  properties: { name: sourceName, ...signingSchema, secret: secretSchema }
} as const

export type SourceInput = FromSchema<typeof sourceSchema>

/** A change of a stored source; null clears an optional field. */
export type SourcePatch = { readonly [Field in keyof SourceInput]?: SourceInput[Field] | (Field extends 'name' | 'secret' ? never : null) }

/** How a source signs, as it was given. */
export type SigningFields = Omit<SourceInput, 'name' | 'secret'>

/** A source as it is shown. */
export interface SourceView extends SigningFields {
  readonly name: string
  /** null: declared in code, and not to be changed at run time. */
  readonly id: string | null
  readonly version: number
  readonly createdAt: Date | null
  readonly updatedAt: Date | null
  readonly hasSecret: boolean
}
