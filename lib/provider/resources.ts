import { errors } from '../errors.js'
import type { Resource, ResourcePath, ResourceSchema } from './resource-model.js'
import { isHidden, referredModel, SchemaFields, type SchemaField } from './schema-fields.js'

/** A resource under its name. */
export interface NamedResource extends Resource {
  readonly name: string
  /** A value as a record's `_id` would be; undefined for one that cannot be. */
  readonly toId: (value: unknown) => unknown
}

/** A field of a resource: where it is, and what its schema says of it. */
export interface ResourceField {
  readonly resource: NamedResource
  /** Without the indexes of arrays: `lines.product`. */
  readonly path: string
  readonly declared: SchemaField
}

/** What scopes may show records of. */
export class Resources {
  readonly #byName: ReadonlyMap<string, NamedResource>
  readonly #schemas = new SchemaFields()
  /** The resource whose records are the people; null without one. */
  readonly people: NamedResource | null

  /** @throws DWA_OPTIONS_INVALID */
  constructor (resources: { readonly [name: string]: Resource } = {}) {
    for (const [name, resource] of Object.entries(resources)) check(name, resource, resources)
    this.#byName = new Map(Object.entries(resources).map(([name, resource]) => [name, { ...resource, name, toId: idCast(resource.model.schema) }]))
    const people = [...this.#byName.values()].filter(({ user }) => user === true)
    if (people.length > 1) throw new errors.DWA_OPTIONS_INVALID('provider.resources', `only one can have user: true, not ${people.map(({ name }) => name).join(' and ')}`)
    this.people = people[0] ?? null
  }

  get (name: string): NamedResource | null {
    return this.#byName.get(name) ?? null
  }

  /** The field that holds all others. */
  root (resource: NamedResource): ResourceField {
    return { resource, path: '', declared: this.#schemas.root(resource.model.schema) }
  }

  member ({ resource, path, declared }: ResourceField, name: string): ResourceField {
    return { resource, path: path === '' ? name : `${path}.${name}`, declared: this.#schemas.member(declared, name) }
  }

  /** Whether the model keeps the field, or one that holds it, from what queries select: scopes never show it. */
  hides (resource: NamedResource, path: string): boolean {
    let field = this.root(resource)
    return path.split('.').some((name) => isHidden((field = this.member(field, name)).declared))
  }

  /** The resource that a field refers to; null when that is none of these; undefined for what is no reference. */
  referredBy ({ resource, path, declared }: ResourceField): NamedResource | null | undefined {
    const name = resource.references !== undefined && Object.hasOwn(resource.references, path) ? resource.references[path] : undefined
    if (name !== undefined) return this.get(name)
    const modelName = referredModel(declared)
    return modelName === undefined ? undefined : [...this.#byName.values()].find(({ model }) => model.modelName === modelName) ?? null
  }
}

function check (name: string, { model, references = {} }: Resource, resources: { readonly [name: string]: Resource }): void {
  if (typeof model !== 'function' || !('find' in model) || !('schema' in model)) throw new errors.DWA_OPTIONS_INVALID(`provider.resources.${name}.model`, 'must be a mongoose model')
  for (const [field, target] of Object.entries(references)) {
    if (!Object.hasOwn(resources, target)) throw new errors.DWA_OPTIONS_INVALID(`provider.resources.${name}.references.${field}`, `there is no resource ${target}`)
  }
}

function idCast (schema: ResourceSchema): (value: unknown) => unknown {
  let type: ResourcePath | undefined
  schema.eachPath((path, one) => { if (path === '_id') type = one })
  return (value) => {
    try {
      return type?.cast(value) ?? undefined
    } catch {
      return undefined
    }
  }
}
