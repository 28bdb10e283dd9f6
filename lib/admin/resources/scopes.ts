import { scopeSchema, type ScopeInput, type ScopePatch } from '../../provider/scope-schema.js'
import { scopePatchSchema, type Scopes } from '../../provider/scopes.js'
import { pageOf } from '../pages.js'
import { recordResource } from '../record-operations.js'
import type { Resource } from '../resource.js'
import { viewSchema } from '../view-schema.js'

/** Scopes of the provider, by code. */
export function scopesResource (scopes: Scopes): Resource {
  return recordResource({
    name: 'scopes',
    noun: 'scope',
    role: 'oauth_provider',
    input: scopeSchema,
    patch: scopePatchSchema,
    view: viewSchema(scopeSchema.properties),
    filters: { code: { type: 'string', maxLength: 128 }, name: { type: 'string', maxLength: 200 }, model: { type: 'string', maxLength: 100 } },
    records: {
      page: async (limit, after, matching) => await pageOf(limit, async (count) => await scopes.page(count, after, matching), ({ code }) => code),
      get: async (key) => await scopes.get(key),
      create: async (input: ScopeInput, note) => ({ view: await scopes.create(input, note) }),
      update: async (key, patch: ScopePatch, change) => await scopes.update(key, patch, change),
      remove: async (key, change) => { await scopes.remove(key, change) }
    }
  })
}
