import type { FromSchema } from 'json-schema-to-ts'
import { scopePattern } from './client-schema.js'
import type { ScopeFilter } from './scope-filter.js'

/** A data scope as it is given: to `create`, and (all fields optional, null clears) to `update`. */
export const scopeSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['code', 'name'],
  properties: {
    code: { type: 'string', pattern: scopePattern, description: 'What clients ask for (RFC 6749 §3.3). Unique.' },
    name: { type: 'string', minLength: 1, maxLength: 200, description: 'What the consent page calls it.' },
    description: { type: 'string', maxLength: 1000, description: 'What the consent page says about it.' },
    model: { type: 'string', minLength: 1, maxLength: 100, description: 'A key of `provider.resources`; absent: the scope shows no data.' },
    filter: { type: 'object', additionalProperties: true, description: 'MongoDB filter as JSON, with `"$$user.<path>"` and `"$$now"`; empty: all records.' },
    fields: { type: 'array', items: { type: 'string', minLength: 1, maxLength: 200 }, maxItems: 200, uniqueItems: true, description: 'What it shows of a record, beside the id.' }
  }
} as const

/** A scope as it is given. */
export type ScopeInput = Omit<FromSchema<typeof scopeSchema, { keepDefaultedPropertiesOptional: true }>, 'filter'> & { readonly filter?: ScopeFilter }

/** Some fields of a scope; null clears an optional field. */
export type ScopePatch = { [Field in keyof ScopeInput]?: ScopeInput[Field] | null | undefined }

/** A scope as it is stored: its filter as JSON text, because MongoDB would not keep a name that begins with `$`. */
export const storedScopeSchema = {
  ...scopeSchema,
  properties: { ...scopeSchema.properties, filter: { type: 'string' } }
} as const

export type StoredScope = Omit<ScopeInput, 'filter'> & { readonly filter?: string }

/** A scope as `get` and `list` show it. */
export type ScopeView = ScopeInput & {
  readonly id: string
  /** Counts the changes, from 1. */
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
}
