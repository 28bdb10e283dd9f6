/** As much of a JSON schema as the options' schemas use. */
interface Schema {
  readonly function?: boolean
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly [keyword: string]: unknown
}

/** The schema of what JSON can say of such a value: functions, and what may be one, can be left out everywhere. */
export function withoutFunctions (schema: Schema): Schema {
  const { required, properties, additionalProperties, items, anyOf } = schema
  return {
    ...schema,
    ...(required === undefined ? {} : { required: required.filter((name) => !mayBeFunction(properties?.[name])) }),
    ...(properties === undefined ? {} : { properties: Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, withoutFunctions(property)])) }),
    ...(typeof additionalProperties === 'object' ? { additionalProperties: withoutFunctions(additionalProperties) } : {}),
    ...(items === undefined ? {} : { items: withoutFunctions(items) }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map(withoutFunctions) })
  }
}

/** So may what the schema says nothing of; what needs one cannot be given either. */
function mayBeFunction (schema: Schema = {}): boolean {
  const { anyOf = [], required = [], properties } = schema
  return schema.function === true || Object.keys(schema).length === 0 || anyOf.some(mayBeFunction) || required.some((name) => mayBeFunction(properties?.[name]))
}
