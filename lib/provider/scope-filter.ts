/** A MongoDB filter as JSON, in which `"$$user.<path>"` and `"$$now"` stand for values. */
export type ScopeFilter = { readonly [name: string]: unknown }

/** What a filter's placeholders stand for. */
export interface FilterValues {
  /** The token's user; null for a client that acts as nobody. */
  readonly user: object | null
  readonly now: Date
}

const valueOperators = new Set(['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$exists', '$size', '$all', '$elemMatch', '$not', '$mod', '$type'])
const logicalOperators = new Set(['$and', '$or', '$nor'])
const userPlaceholder = /^\$\$user((?:\.[A-Za-z0-9_]+)+)$/
const maxDepth = 12
const maxBytes = 16 * 1024
const forbiddenNames = new Set(['__proto__', 'constructor', 'prototype'])

/** The values of one run, and whether a placeholder stood for nothing: the filter then finds nothing. */
interface Resolution extends FilterValues { unresolved: boolean }

/**
 * Why a filter is refused, or null: an operator that is not on the list (no code, no expressions, no regular expressions), an unknown placeholder, too deep or too large.
 * Looked at when it is saved, and again when it is run.
 */
export function findFilterProblem (filter: unknown): string | null {
  if (!isPlainObject(filter)) return 'must be a JSON object'
  return conditionProblem(filter, 0) ?? (Buffer.byteLength(JSON.stringify(filter)) > maxBytes ? `must not be larger than ${maxBytes} bytes` : null)
}

/**
 * The filter with its placeholders replaced; null when one of them stands for nothing, because there is no user, or the user has no such field or a document in it:
 * no record matches then, also where the filter says `$ne`.
 * @throws TypeError for a filter that `findFilterProblem` refuses
 */
export function resolveFilter (filter: unknown, values: FilterValues): Record<string, unknown> | null {
  const problem = findFilterProblem(filter)
  if (problem !== null || !isPlainObject(filter)) throw new TypeError(`the filter ${problem}`)
  const resolution: Resolution = { ...values, unresolved: false }
  const resolved = Object.entries(filter).map(([name, value]) => [name, resolve(value, resolution)])
  return resolution.unresolved ? null : Object.fromEntries(resolved)
}

function conditionProblem (condition: object, depth: number): string | null {
  if (depth > maxDepth) return `must not be nested deeper than ${maxDepth} times`
  for (const [name, value] of Object.entries(condition)) {
    const problem = logicalOperators.has(name) ? branchesProblem(name, value, depth) : nameProblem(name) ?? valueProblem(value, depth)
    if (problem !== null) return problem
  }
  return null
}

function branchesProblem (operator: string, value: unknown, depth: number): string | null {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isPlainObject)) return `must have conditions in a list after ${operator}`
  for (const branch of value) {
    const problem = conditionProblem(branch, depth + 1)
    if (problem !== null) return problem
  }
  return null
}

function nameProblem (name: string): string | null {
  if (name.startsWith('$')) return `must not use ${name.slice(0, 40)}`
  return isFieldPath(name) ? null : `must not name a field ${JSON.stringify(name.slice(0, 40))}`
}

/** Whether the text names a field, dotted for one in another: no operator, and nothing that every object has. */
export function isFieldPath (text: string): boolean {
  return !text.includes('\0') && text.split('.').every((part) => part !== '' && !part.startsWith('$') && !forbiddenNames.has(part))
}

/** A value, or the operators on one. */
function valueProblem (value: unknown, depth: number): string | null {
  if (depth > maxDepth) return `must not be nested deeper than ${maxDepth} times`
  if (typeof value === 'string') return value.startsWith('$$') && value !== '$$now' && !isUserPath(value) ? `must not use ${value.slice(0, 40)}: there are "$$user.<path>" and "$$now"` : null
  if (Array.isArray(value)) return firstProblem(value, (item) => valueProblem(item, depth + 1))
  if (!isPlainObject(value)) return value === null || typeof value === 'number' || typeof value === 'boolean' ? null : 'must be JSON'
  return firstProblem(Object.entries(value), ([name, member]) => {
    if (!name.startsWith('$')) return nameProblem(name) ?? valueProblem(member, depth + 1)
    if (!valueOperators.has(name)) return `must not use ${name.slice(0, 40)}`
    return name === '$elemMatch' && isPlainObject(member) ? conditionOrOperators(member, depth + 1) : valueProblem(member, depth + 1)
  })
}

/** What `$elemMatch` takes: operators on a value, or a condition on a document. */
function conditionOrOperators (member: object, depth: number): string | null {
  return Object.keys(member).some((name) => valueOperators.has(name)) ? valueProblem(member, depth) : conditionProblem(member, depth)
}

function firstProblem<Item> (items: readonly Item[], problemOf: (item: Item) => string | null): string | null {
  for (const item of items) {
    const problem = problemOf(item)
    if (problem !== null) return problem
  }
  return null
}

function resolve (value: unknown, resolution: Resolution): unknown {
  if (value === '$$now') return resolution.now
  if (Array.isArray(value)) return value.map((item) => resolve(item, resolution))
  if (isPlainObject(value)) return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, resolve(member, resolution)]))
  if (typeof value !== 'string' || !isUserPath(value)) return value
  const found = valueAt(resolution.user, value.slice('$$user.'.length).split('.'))
  if (!isComparable(found)) resolution.unresolved = true
  return Array.isArray(found) ? [...found] : found
}

/** What people have in their records may be of their own choice: a document could hold operators, and a pattern matches others. */
function isComparable (found: unknown): boolean {
  if (Array.isArray(found)) return found.every(isComparable)
  if (typeof found !== 'object') return ['string', 'number', 'boolean', 'bigint'].includes(typeof found)
  return found instanceof Date || found instanceof Uint8Array || (found !== null && !isPlainObject(found) && '_bsontype' in found && !['BSONRegExp', 'Code'].includes(String(found._bsontype)))
}

/** A user's field; never an inherited one. */
function valueAt (user: object | null, path: readonly string[]): unknown {
  let value: unknown = user
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = Reflect.get(value, name)
  }
  return value
}

function isUserPath (text: string): boolean {
  const path = userPlaceholder.exec(text)?.[1]
  return path !== undefined && !path.split('.').some((name) => forbiddenNames.has(name))
}

function isPlainObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value))
}
