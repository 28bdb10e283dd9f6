import type { FieldTree } from './field-tree.js'
import { isDocument, toJson, type Json } from './json-value.js'
import type { NamedResource, ResourceField, Resources } from './resources.js'
import { isHidden } from './schema-fields.js'

/** What stands for a reference: the display name of the record with that id, of a resource or, null, of a model that is none. */
export type NameOf = (resource: NamedResource | null, id: unknown) => Json

/** A record as scopes show it: the fields of the tree and nothing else, whatever was read. */
export class RecordView {
  readonly #resources: Resources
  readonly #nameOf: NameOf

  constructor (resources: Resources, nameOf: NameOf) {
    this.#resources = resources
    this.#nameOf = nameOf
  }

  /** `id`, and what the tree names; a field that the record does not have is null. */
  show (resource: NamedResource, record: Readonly<Record<string, unknown>>, fields: FieldTree): Record<string, Json> {
    return Object.fromEntries([['id', toJson(record['_id'])], ...this.#members(this.#resources.root(resource), record, fields)])
  }

  #members (field: ResourceField, record: Readonly<Record<string, unknown>>, fields: FieldTree): Array<[string, Json]> {
    return [...fields].flatMap(([name, members]): Array<[string, Json]> => {
      const member = this.#resources.member(field, name)
      return isHidden(member.declared) ? [] : [[name, this.#value(member, Object.hasOwn(record, name) ? record[name] : undefined, members)]]
    })
  }

  #value (field: ResourceField, value: unknown, fields: FieldTree): Json {
    if (Array.isArray(value)) return value.map((item) => this.#value(field, item, fields))
    const referred = this.#resources.referredBy(field)
    if (referred !== undefined) return this.#reference(referred, value)
    if (isDocument(value)) return Object.fromEntries(this.#members(field, value, fields.size === 0 ? allOf(value) : fields))
    return fields.size === 0 ? toJson(value) : null
  }

  /** What has been populated is its record's name all the same: the rest of that record is not this scope's to show. */
  #reference (referred: NamedResource | null, value: unknown): Json {
    const id = isDocument(value) ? value['_id'] : value
    return toJson(id) === null ? null : this.#nameOf(referred, id)
  }
}

function allOf (value: Readonly<Record<string, unknown>>): FieldTree {
  return new Map(Object.keys(value).map((name) => [name, new Map()]))
}
