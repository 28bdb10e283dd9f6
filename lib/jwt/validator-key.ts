/** How a validator is looked up: by name, by stored id, or as the only one there is. `text` tells them apart. */
export type ValidatorKey = NameKey | IdKey | { readonly by: 'sole', readonly text: 'sole' }

export interface NameKey { readonly by: 'name', readonly name: string, readonly text: string }

export interface IdKey { readonly by: 'id', readonly id: string, readonly text: string }

export const sole: ValidatorKey = { by: 'sole', text: 'sole' }

export function byName (name: string): NameKey {
  return { by: 'name', name, text: `code:${name}` }
}

export function byId (id: string): IdKey {
  return { by: 'id', id, text: `id:${id}` }
}

/**
 * Reads a link to the next validator: the `text` of its key. It is by id for a stored validator, so that the link survives a rename,
 * and by name for a code-declared one, whose name cannot change.
 */
export function readLink (text: string): NameKey | IdKey {
  const value = text.slice(text.indexOf(':') + 1)
  return text.startsWith('id:') ? byId(value) : byName(value)
}
