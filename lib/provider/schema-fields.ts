import type { ResourcePath, ResourceSchema } from './resource-model.js'

/** A field as one schema declares it. */
interface Declaration {
  /** `select: false`: queries do not select it by default. */
  readonly hidden: boolean
  /** The model that its value refers to, empty when that is another one for each record; undefined for what is no reference. */
  readonly ref: string | undefined
  /** The schema of the documents in it. */
  readonly schema: ResourceSchema | null
  readonly members: Map<string, Declaration>
}

/** A field as a model's schema and its discriminators declare it; empty when none of them does. */
export type SchemaField = readonly Declaration[]

/** What mongoose schemas say of their fields, those of nested documents, arrays, maps and discriminators too. Schemas may contain themselves. */
export class SchemaFields {
  readonly #roots = new Map<ResourceSchema, Declaration>()

  /** The field that holds all others. */
  root (schema: ResourceSchema): SchemaField {
    return [schema, ...Object.values(schema.discriminators ?? {})].map((one) => {
      let root = this.#roots.get(one)
      if (root === undefined) this.#roots.set(one, root = rootOf(one))
      return root
    })
  }

  member (field: SchemaField, name: string): SchemaField {
    return field.flatMap((one) => one.schema === null ? [one] : this.root(one.schema)).flatMap(({ members }) => members.get(name) ?? members.get('$*') ?? [])
  }
}

/** Whether one of the schemas keeps the field out of what queries select. */
export function isHidden (field: SchemaField): boolean {
  return field.some(({ hidden }) => hidden)
}

/** The name of the model that the field refers to, empty when each record has its own; undefined for what is no reference. */
export function referredModel (field: SchemaField): string | undefined {
  return field.find(({ ref }) => ref !== undefined)?.ref
}

function rootOf (schema: ResourceSchema): Declaration {
  const root: Declaration = { hidden: false, ref: undefined, schema: null, members: new Map() }
  schema.eachPath((path, type) => { declare(root, path.split('.'), type) })
  return root
}

function declare (parent: Declaration, [name = '', ...rest]: readonly string[], type: ResourcePath): void {
  const members = parent.members.get(name)?.members ?? new Map<string, Declaration>()
  const between: Declaration = { hidden: false, ref: undefined, schema: null, members }
  if (rest.length === 0) parent.members.set(name, { ...between, ...declared(type) })
  else {
    if (!parent.members.has(name)) parent.members.set(name, between)
    declare(parent.members.get(name) ?? between, rest, type)
  }
}

function declared (type: ResourcePath): Pick<Declaration, 'hidden' | 'ref' | 'schema'> {
  const item = itemOf(type)
  return { hidden: type.options.select === false, ref: refOf(type) ?? refOf(item), schema: schemaOf(type) ?? schemaOf(item) }
}

/** What an array holds, or an array of arrays. */
function itemOf (type: ResourcePath): ResourcePath {
  return 'embeddedSchemaType' in type && isPath(type.embeddedSchemaType) ? itemOf(type.embeddedSchemaType) : type
}

function schemaOf (type: ResourcePath): ResourceSchema | null {
  return 'schema' in type && isSchema(type.schema) ? type.schema : null
}

function refOf ({ options: { ref, refPath } }: ResourcePath): string | undefined {
  if (typeof ref === 'string') return ref
  if (typeof ref === 'function' && 'modelName' in ref && typeof ref.modelName === 'string') return ref.modelName
  return (ref ?? refPath) === undefined ? undefined : ''
}

function isPath (value: unknown): value is ResourcePath {
  return typeof value === 'object' && value !== null && 'options' in value && typeof value.options === 'object' && value.options !== null && 'cast' in value
}

function isSchema (value: unknown): value is ResourceSchema {
  return typeof value === 'object' && value !== null && 'eachPath' in value
}
