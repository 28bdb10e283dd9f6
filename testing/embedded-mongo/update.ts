import { ObjectId, clone, getField, isDocument, setField, typeOf, type Document } from './document.js'
import { ServerError } from './errors.js'
import { runStages } from './pipeline.js'
import { identical } from './ordering.js'
import { isOperators } from './matcher.js'
import { isPosition } from './paths.js'
import { plainDocument, toPlain } from './expression.js'
import { updateOperators } from './update-operators.js'
import { expand, filterName, placeAt, type PathContext } from './update-paths.js'

/** Everything an update is computed from, besides the document. */
export interface UpdateContext extends PathContext { inserting: boolean }

/** Computes the document an update makes of another, which stays as it is. */
export type Updater = (document: Document, context: UpdateContext) => Document

const PIPELINE_STAGES = new Set(['$set', '$addFields', '$unset', '$project', '$replaceRoot', '$replaceWith'])

/** Compiles an update: operators, a replacement, or a pipeline. Throws what a server answers for a wrong one. */
export function updater (update: unknown, arrayFilters: Document[]): Updater {
  if (Array.isArray(update)) return pipelineUpdate(update)
  if (!isDocument(update)) throw new ServerError('FailedToParse', 'Update argument must be either an object or an array')
  if (Object.keys(update)[0]?.startsWith('$') !== true) return replacement(update)
  return operatorUpdate(update, arrayFilters)
}

/** True for a whole document in the place of operators. */
export function isReplacement (update: unknown): boolean {
  return isDocument(update) && Object.keys(update)[0]?.startsWith('$') !== true
}

function replacement (update: Document): Updater {
  const wrong = Object.keys(update).find((name) => name.startsWith('$'))
  if (wrong !== undefined) throw new ServerError('DollarPrefixedFieldName', `The dollar ($) prefixed field '${wrong}' in '${wrong}' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.`)
  return (document) => {
    const id = document['_id']
    if (id === undefined) return clone(update)
    if (Object.hasOwn(update, '_id')) sameId(id, update['_id'])
    return Object.assign({ _id: id }, clone(update), { _id: id })
  }
}

function sameId (before: unknown, after: unknown): void {
  if (!identical(before, after)) {
    throw new ServerError('ImmutableField', "After applying the update, the (immutable) field '_id' was found to have been altered to _id: " + String(after))
  }
}

function pipelineUpdate (stages: unknown[]): Updater {
  if (stages.length === 0) return (document) => document
  for (const stage of stages) {
    const name = isDocument(stage) ? Object.keys(stage)[0] ?? '' : ''
    if (!PIPELINE_STAGES.has(name)) throw new ServerError('InvalidOptions', `${name} is not allowed to be used within an update`)
  }
  return (document, context) => {
    const [result] = runStages([plainDocument(document)], stages, { ...context, collection: () => [] })
    if (result === undefined) return document
    const next: Document = {}
    for (const name of Object.keys(result)) {
      const before = getField(document, name)
      setField(next, name, before !== undefined && identical(toPlain(before), result[name]) ? before : result[name])
    }
    if (document['_id'] === undefined) return next
    if (next['_id'] === undefined) return { _id: document['_id'], ...next }
    sameId(document['_id'], next['_id'])
    return next
  }
}

interface Change { path: string, operator: string, operand: unknown }

function operatorUpdate (update: Document, arrayFilters: Document[]): Updater {
  const changes: Change[] = []
  for (const [operator, operands] of Object.entries(update)) {
    if (!Object.hasOwn(updateOperators, operator) && operator !== '$rename') {
      throw new ServerError('FailedToParse', `Unknown modifier: ${operator}. Expected a valid update modifier or pipeline-style update specified as an array`)
    }
    if (!isDocument(operands)) {
      throw new ServerError('FailedToParse', `Modifiers operate on fields but we found type ${typeOf(operands)[1]} instead. For example: {$mod: {<field>: ...}} not {${operator}: ${JSON.stringify(operands)}}`)
    }
    for (const [path, operand] of Object.entries(operands)) {
      checkPath(path)
      changes.push({ path, operator, operand })
      if (operator === '$rename') {
        if (typeof operand !== 'string') throw new ServerError('BadValue', `The 'to' field for $rename must be a string: ${path}: ${String(operand)}`)
        checkPath(operand)
        if (operand === path) throw new ServerError('BadValue', `The source and target field for $rename must differ: ${path}: "${operand}"`)
      }
    }
  }
  checkConflicts(changes)
  checkFilters(changes, arrayFilters)
  changes.sort((left, right) => comparePaths(target(left).split('.'), target(right).split('.')))
  const touched = new Set(changes.flatMap((change) => [change.path, target(change)]).map((path) => path.split('.', 1).join('')))
  return (document, context) => {
    const next = copyForChange(document, touched)
    for (const { path, operator, operand } of changes) {
      if (operator === '$setOnInsert' && !context.inserting) continue
      if (operator === '$rename') {
        rename(next, path, String(operand))
        continue
      }
      const apply = updateOperators[operator]
      for (const parts of expand(next, path, context)) apply?.(placeAt(next, parts), operand, { ...context, document })
    }
    const id = document['_id']
    if (id !== undefined && !identical(id, next['_id'])) {
      throw new ServerError('ImmutableField', "Performing an update on the path '_id' would modify the immutable field '_id'")
    }
    return next
  }
}

/** A copy whose `touched` fields may be changed; the others are shared, since stored documents are never changed. */
function copyForChange (document: Document, touched: ReadonlySet<string>): Document {
  const copy: Document = {}
  for (const name of Object.keys(document)) setField(copy, name, touched.has(name) ? clone(document[name]) : document[name])
  return copy
}

const target = ({ path, operator, operand }: Change): string => operator === '$rename' ? String(operand) : path

function checkPath (path: string): void {
  const parts = path.split('.')
  if (path === '') throw new ServerError('EmptyFieldName', 'An empty update path is not valid.')
  if (parts.includes('')) throw new ServerError('EmptyFieldName', `The update path '${path}' contains an empty field name, which is not allowed.`)
  const [first = ''] = parts
  if (first === '$' || first.startsWith('$[')) throw new ServerError('BadValue', `Cannot have positional (i.e. '$') element in the first position in path '${path}'`)
  const wrong = parts.find((part) => part.startsWith('$') && part !== '$' && !/^\$\[.*\]$/.test(part) && part !== '$id' && part !== '$ref' && part !== '$db')
  if (wrong !== undefined) throw new ServerError('DollarPrefixedFieldName', `The dollar ($) prefixed field '${wrong}' in '${path}' is not valid for storage.`)
}

function checkConflicts (changes: Change[]): void {
  const paths = changes.flatMap((change) => change.operator === '$rename' ? [change.path, target(change)] : [change.path])
  const seen = new Set<string>()
  for (const path of paths) {
    if (seen.has(path)) throw conflict(path, path)
    seen.add(path)
  }
  for (const path of paths) {
    for (let dot = path.indexOf('.'); dot !== -1; dot = path.indexOf('.', dot + 1)) {
      if (seen.has(path.slice(0, dot))) throw conflict(paths.indexOf(path) > paths.indexOf(path.slice(0, dot)) ? path : path.slice(0, dot), path.slice(0, dot))
    }
  }
}

function conflict (path: string, at: string): ServerError {
  return new ServerError('ConflictingUpdateOperators', `Updating the path '${path}' would create a conflict at '${at}'`)
}

function checkFilters (changes: Change[], arrayFilters: Document[]): void {
  for (const filter of arrayFilters) {
    const name = filterName(filter)
    if (!changes.some(({ path }) => path.split('.').includes(`$[${name}]`))) {
      throw new ServerError('FailedToParse', `The array filter for identifier '${name}' was not used in the update`)
    }
  }
}

/** New fields are added in this order: by name, numbers by value. */
function comparePaths (left: string[], right: string[]): number {
  for (const [i, part] of left.entries()) {
    const other = right[i]
    if (other === undefined) return 1
    if (part === other) continue
    if (isPosition(part) && isPosition(other)) return Number(part) - Number(other)
    return part < other ? -1 : 1
  }
  return left.length - right.length
}

function rename (document: Document, from: string, to: string): void {
  const source = placeAt(document, from.split('.'))
  const value = source.get()
  if (value === undefined) return
  source.unset()
  placeAt(document, to.split('.')).set(value)
}

/** The document an upsert begins with: the values that the filter's equalities fix. */
export function seedOf (filter: Document): Document {
  const equalities = new Map<string, unknown>()
  const set = (path: string, value: unknown): void => {
    const taken = [...equalities.keys()].find((other) => other === path || other.startsWith(`${path}.`) || path.startsWith(`${other}.`))
    if (taken !== undefined) throw new ServerError('NotSingleValueField', `cannot infer query fields to set, ${taken === path ? `path '${path}' is matched twice` : `both paths '${path}' and '${taken}' are matched`}`)
    equalities.set(path, value)
  }
  const visit = (part: Document): void => {
    for (const [name, condition] of Object.entries(part)) {
      if ((name === '$and' || (name === '$or' && Array.isArray(condition) && condition.length === 1)) && Array.isArray(condition)) condition.filter(isDocument).forEach(visit)
      else if (name.startsWith('$')) continue
      else if (!isOperators(condition)) {
        if (typeOf(condition)[1] !== 'regex') set(name, condition)
      } else if (Object.hasOwn(condition, '$eq')) set(name, condition['$eq'])
      else if (Array.isArray(condition['$in']) && condition['$in'].length === 1 && typeOf(condition['$in'][0])[1] !== 'regex') set(name, condition['$in'][0])
      else if (Array.isArray(condition['$all']) && condition['$all'].length === 1 && !isOperators(condition['$all'][0])) set(name, condition['$all'][0])
    }
  }
  visit(filter)
  const seed: Document = {}
  for (const path of [...equalities.keys()].sort()) placeAt(seed, path.split('.')).set(clone(equalities.get(path)))
  return seed
}

/** The document an upsert inserts when nothing matched. */
export function upserted (filter: Document, update: unknown, apply: Updater, context: Omit<UpdateContext, 'inserting' | 'filter'>): Document {
  const seed = seedOf(filter)
  const start = isReplacement(update) ? (seed['_id'] === undefined ? {} : { _id: seed['_id'] }) : seed
  const document = apply(start, { ...context, filter, inserting: true })
  return document['_id'] === undefined ? { _id: new ObjectId(), ...document } : { _id: document['_id'], ...document }
}
