/** What of a mongoose model the provider uses. */
export interface ResourceModel {
  readonly modelName: string
  /** The mongoose it is a model of. */
  readonly base: { trusted (value: object): unknown }
  readonly schema: ResourceSchema
  find (filter: Record<string, unknown>, projection: Record<string, 1>, options: ResourceQueryOptions): PromiseLike<unknown[]>
}

/** What of a mongoose schema the provider uses. */
export interface ResourceSchema {
  readonly discriminators?: { readonly [name: string]: ResourceSchema } | undefined
  eachPath (visit: (path: string, type: ResourcePath) => void): unknown
}

/** What of a mongoose schema type the provider uses. */
export interface ResourcePath {
  readonly options: { readonly ref?: unknown, readonly refPath?: unknown, readonly select?: unknown }
  cast (value: unknown): unknown
}

/** How records are read. */
export interface ResourceQueryOptions {
  readonly lean: true
  /** Milliseconds. */
  readonly maxTimeMS: number
  /** A condition on a field that the schema does not name must not vanish from the filter. */
  readonly strictQuery: false
  readonly sort?: Record<string, 1>
  readonly limit?: number
}

/** How a record is called where another refers to it. */
export type DisplayName = (record: Readonly<Record<string, unknown>>) => string

/** A model that scopes may show records of. */
export interface Resource {
  /** A mongoose model. */
  readonly model: ResourceModel
  /** Whether its records are the people: `userinfo` shows the token's own. One resource at most. */
  readonly user?: boolean
  /** Default: a record's `name`, else its id. */
  readonly display?: DisplayName
  /**
   * Fields that refer to a record of another resource, by the key of that resource. Shown as that record's display name.
   * What the model's schema says by `ref` need not be repeated.
   */
  readonly references?: { readonly [field: string]: string }
}
