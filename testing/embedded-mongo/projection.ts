import { getField, isDocument, isTruthy, isNumeric, setField, toNumber, type Document } from './document.js'
import { ServerError } from './errors.js'
import { evaluate, type ExpressionContext } from './expression.js'
import { compile } from './matcher.js'

export type Projection = (document: Document) => Document

type Tree = Map<string, Tree | true>

function plant (tree: Tree, path: string): void {
  const parts = path.split('.')
  let at = tree
  for (const [i, part] of parts.entries()) {
    const next = at.get(part)
    if (i === parts.length - 1 || next === true) {
      if (next !== undefined) throw new ServerError(31250, `Path collision at ${path}`)
      at.set(part, true)
      return
    }
    const branch: Tree = next ?? new Map()
    at.set(part, branch)
    at = branch
  }
}

function include (value: unknown, tree: Tree): unknown {
  if (Array.isArray(value)) return value.filter((item) => isDocument(item) || Array.isArray(item)).map((item) => include(item, tree))
  if (!isDocument(value)) return undefined
  const kept: Document = {}
  for (const name of Object.keys(value)) {
    const branch = tree.get(name)
    if (branch === undefined) continue
    const field = branch === true ? value[name] : include(value[name], branch)
    if (field !== undefined) setField(kept, name, field)
  }
  return kept
}

function exclude (value: unknown, tree: Tree): unknown {
  if (Array.isArray(value)) return value.map((item) => exclude(item, tree))
  if (!isDocument(value)) return value
  const kept: Document = {}
  for (const name of Object.keys(value)) {
    const branch = tree.get(name)
    if (branch !== true) setField(kept, name, branch === undefined ? value[name] : exclude(value[name], branch))
  }
  return kept
}

function slice (array: unknown[], spec: unknown): unknown[] {
  const [skip, limit] = Array.isArray(spec) ? spec.map((part) => toNumber(part) ?? 0) : [undefined, toNumber(spec) ?? 0]
  if (skip === undefined) return limit !== undefined && limit < 0 ? array.slice(limit) : array.slice(0, limit)
  const start = skip < 0 ? Math.max(0, array.length + skip) : skip
  return array.slice(start, start + (limit ?? 0))
}

const isPlain = (value: unknown): boolean => typeof value === 'boolean' || isNumeric(value)

/** `{ a: { b: 1 } }` is written `{ 'a.b': 1 }`. */
function flatten (spec: Document, prefix = ''): Array<[path: string, value: unknown]> {
  return Object.entries(spec).flatMap(([name, value]): Array<[string, unknown]> => {
    const path = prefix + name
    return isDocument(value) && Object.keys(value)[0]?.startsWith('$') === false ? flatten(value, `${path}.`) : [[path, value]]
  })
}

const isOperator = (value: unknown, operator: string): boolean => isDocument(value) && Object.hasOwn(value, operator)

/**
 * Compiles a projection; undefined where it asks for everything. The filter serves the positional `a.$`; without
 * one it is a `$project` stage, where `$slice` is an expression.
 */
export function projection (spec: unknown, filter: Document | undefined, context: ExpressionContext): Projection | undefined {
  if (!isDocument(spec) || Object.keys(spec).length === 0) return undefined
  const entries = flatten(spec)
  const others = entries.filter(([name, value]) => name !== '_id' && isPlain(value))
  const computed = entries.filter(([, value]) => !isPlain(value))
  const sliced = filter === undefined ? [] : computed.filter(([, value]) => isOperator(value, '$slice'))
  const matched = filter === undefined ? [] : computed.filter(([, value]) => isOperator(value, '$elemMatch'))
  const expressions = computed.filter((entry) => !sliced.includes(entry) && !matched.includes(entry))
  const id = spec['_id']
  const [first] = others
  const including = first === undefined
    ? matched.length > 0 || expressions.length > 0 || (sliced.length === 0 && isTruthy(id))
    : isTruthy(first[1])
  const mixed = others.find(([, value]) => isTruthy(value) !== including) ?? (including ? undefined : expressions[0])
  if (mixed !== undefined) {
    throw including
      ? new ServerError(31254, `Cannot do exclusion on field ${mixed[0]} in inclusion projection`)
      : new ServerError(31253, `Cannot do inclusion on field ${mixed[0]} in exclusion projection`)
  }
  const tree: Tree = new Map()
  const positional = others.map(([name]) => name).find((name) => name.endsWith('.$'))
  for (const [name] of others) plant(tree, name.endsWith('.$') ? name.slice(0, -2) : name)
  if (including) {
    for (const [name] of sliced) plant(tree, name)
    if (id === undefined || (isPlain(id) && isTruthy(id))) tree.set('_id', true)
  } else if (id !== undefined && !isTruthy(id)) tree.set('_id', true)
  return (document) => {
    const base = including ? include(document, tree) : exclude(document, tree)
    const result: Document = isDocument(base) ? base : {}
    for (const [name, value] of sliced) {
      const array = getField(result, name)
      if (Array.isArray(array) && isDocument(value)) setField(result, name, slice(array, value['$slice']))
    }
    for (const [name, value] of matched) {
      const array = getField(document, name)
      if (!Array.isArray(array) || !isDocument(value)) continue
      const matches = compile({ [name]: value }, context)
      const first = array.find((item: unknown) => matches({ [name]: [item] }))
      if (first !== undefined) setField(result, name, [first])
    }
    for (const [name, value] of expressions) place(result, name.split('.'), evaluate(value, document, context))
    if (positional !== undefined && filter !== undefined) narrow(result, document, positional.slice(0, -2), filter, context)
    return result
  }
}

function place (target: Document, parts: string[], value: unknown): void {
  const [first = '', ...rest] = parts
  if (rest.length === 0) {
    if (value !== undefined) setField(target, first, value)
    return
  }
  const inner = getField(target, first)
  const next: Document = isDocument(inner) ? inner : {}
  place(next, rest, value)
  setField(target, first, next)
}

function narrow (result: Document, document: Document, path: string, filter: Document, context: ExpressionContext): void {
  const array = getField(document, path)
  if (!Array.isArray(array)) return
  const conditions = Object.entries(filter).filter(([name]) => name === path || name.startsWith(path + '.')).map(([name, condition]) => compile({ [name]: condition }, context))
  const first = array.find((item: unknown) => conditions.every((matches) => matches({ [path]: [item] })))
  setField(result, path, first === undefined ? [] : [first])
}
