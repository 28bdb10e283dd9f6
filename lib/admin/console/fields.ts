import type { SchemaObject } from 'ajv'

/** How a field is asked for: `either` is a yes, a no, or neither; `lines` are texts, one on each line. */
export type FieldKind = 'text' | 'area' | 'secret' | 'flag' | 'either' | 'choice' | 'number' | 'lines' | 'json'

/** A field of a form, made from a JSON schema. */
export interface Field {
  /** Its path, which is the control's name: `lifetimes.code`. */
  readonly name: string
  readonly kind: FieldKind
  readonly required: boolean
  readonly choices: readonly string[]
  /** What holds when it is left out; undefined when nobody says. */
  readonly standard: unknown
  readonly description: unknown
  readonly minimum: number | undefined
  readonly maximum: number | undefined
  readonly maxLength: number | undefined
  /** Whether it may be taken away again. */
  readonly clearable: boolean
}

type Properties = { readonly [name: string]: SchemaObject }

/** The fields of an object's schema, in its order; those of an object inside it under its name. */
export function fieldsOf (schema: SchemaObject, isSecret: (name: string) => boolean, required: readonly string[] = requiredOf(schema), base = ''): Field[] {
  return Object.entries(propertiesOf(schema)).flatMap(([name, property]) => {
    const path = base === '' ? name : `${base}.${name}`
    const { schema: plain, clearable } = withoutNull(property)
    if (isGroup(plain)) return fieldsOf(plain, isSecret, required.includes(name) ? requiredOf(plain) : [], path)
    return [fieldOf(path, plain, { secret: isSecret(path), required: required.includes(name), clearable: clearable || base !== '' })]
  })
}

/** The properties of an object's schema. */
export function propertiesOf (schema: SchemaObject): Properties {
  return Object(schema['properties'])
}

export function requiredOf (schema: SchemaObject): readonly string[] {
  const required: unknown = schema['required']
  return Array.isArray(required) ? required.map(String) : []
}

function fieldOf (name: string, schema: SchemaObject, { secret, required, clearable }: { readonly secret: boolean, readonly required: boolean, readonly clearable: boolean }): Field {
  return {
    name,
    kind: secret ? 'secret' : kindOf(schema),
    required,
    choices: choicesOf(schema),
    standard: schema['default'],
    description: schema['description'],
    minimum: numberIn(schema['minimum']),
    maximum: numberIn(schema['maximum']),
    maxLength: numberIn(schema['maxLength']),
    clearable
  }
}

function kindOf (schema: SchemaObject): FieldKind {
  const alternatives = alternativesOf(schema)
  if (alternatives.some(({ type }) => type === 'array')) return 'lines'
  if (alternatives.length > 0) return 'area' // a text, or JSON that is written as text
  if (choicesOf(schema).length > 0) return 'choice'
  switch (schema['type']) {
    case 'boolean': return schema['default'] === undefined ? 'either' : 'flag'
    case 'integer':
    case 'number': return 'number'
    case 'array': return isText(schema['items']) ? 'lines' : 'json'
    case 'string': return Number(schema['maxLength']) > 4096 ? 'area' : 'text'
    default: return 'json'
  }
}

function choicesOf (schema: SchemaObject): string[] {
  const values: unknown = schema['enum']
  return Array.isArray(values) ? values.map(String) : []
}

/** An object that can be asked for field by field. */
function isGroup (schema: SchemaObject): boolean {
  return schema['type'] === 'object' && schema['additionalProperties'] !== true && Object.keys(propertiesOf(schema)).length > 0
}

function isText (schema: unknown): boolean {
  return Object(schema)['type'] === 'string'
}

function alternativesOf (schema: SchemaObject): SchemaObject[] {
  const alternatives: unknown = schema['anyOf']
  return Array.isArray(alternatives) ? alternatives : []
}

/** A schema that null fits as well, without it. */
function withoutNull (schema: SchemaObject): { readonly schema: SchemaObject, readonly clearable: boolean } {
  const { type } = schema
  if (Array.isArray(type) && type.includes('null')) return { schema: { ...schema, type: type.find((one) => one !== 'null') }, clearable: true }
  const alternatives = alternativesOf(schema)
  const others = alternatives.filter((one) => one['type'] !== 'null')
  if (others.length === alternatives.length) return { schema, clearable: false }
  const [only, another] = others
  return { schema: only !== undefined && another === undefined ? only : { ...schema, anyOf: others }, clearable: true }
}

function numberIn (value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
