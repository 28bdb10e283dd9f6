import { listSource } from '../cursors.js'
import type { Collection } from '../collection.js'
import { isDocument, isNumeric, isTruthy, toNumber, type Document } from '../document.js'
import { ServerError } from '../errors.js'
import type { Index } from '../index-keys.js'
import { compile } from '../matcher.js'
import { identical } from '../ordering.js'
import { show } from '../shown-value.js'
import { collectionName, countField, documentField, existing, missing, refuseCollation, requiredDocuments, type Command } from './command.js'

const KNOWN_OPTIONS = new Set(['key', 'name', 'v', 'unique', 'sparse', 'partialFilterExpression', 'expireAfterSeconds', 'background', 'hidden', 'ns', 'collation', 'dropDups', 'comment'])
const PARTIAL_OPERATORS = new Set(['$eq', '$exists', '$gt', '$gte', '$lt', '$lte', '$type', '$in', '$and', '$or'])
const MAX_TTL = 2 ** 31 - 1

/** The index specification as it is kept and listed. Throws what a server answers for a wrong one. */
function specification (given: Document): Document {
  const key = given['key']
  if (key === undefined) throw new ServerError('FailedToParse', "The 'key' field is a required property of an index specification")
  if (!isDocument(key)) throw new ServerError('TypeMismatch', "The field 'key' must be an object")
  if (Object.keys(key).length === 0) throw new ServerError('CannotCreateIndex', 'Index keys cannot be an empty object')
  const unknown = Object.keys(given).find((option) => !KNOWN_OPTIONS.has(option))
  if (unknown !== undefined) throw new ServerError('InvalidIndexSpecificationOption', `The field '${unknown}' is not valid for an index specification. Specification: ${JSON.stringify(given)}`)
  refuseCollation(given)
  for (const [path, direction] of Object.entries(key)) {
    if (typeof direction === 'string') throw new ServerError('CannotCreateIndex', `Unknown index plugin '${direction}'`)
    if (!isNumeric(direction) || toNumber(direction) === 0) throw new ServerError('CannotCreateIndex', `Values in v:2 index key pattern cannot be of type ${typeof direction}. Only numbers > 0, numbers < 0, and strings are allowed.`)
    if (path === '' || path.split('.').includes('')) throw new ServerError('CannotCreateIndex', 'Index keys cannot contain an empty field.')
    if (path.startsWith('$') || path.includes('$**')) throw new ServerError('NotImplemented', `this server has no index on '${path}'`)
  }
  const name = given['name']
  if (name === '') throw new ServerError('CannotCreateIndex', 'index name cannot be empty')
  if ((name === '_id_') !== identical(key, { _id: 1 }) && (name === '_id_' || identical(key, { _id: -1 }))) {
    throw new ServerError('BadValue', name === '_id_' ? `The index name '_id_' is reserved for the _id index, which must have key pattern {_id: 1}, found key: ${show(key)}` : `The field 'key' for an _id index must be {_id: 1}, but got ${show(key)}`)
  }
  if (typeof name !== 'string') throw new ServerError('FailedToParse', 'The \'name\' field is a required property of an index specification')
  const spec: Document = { v: 2, key, name }
  for (const option of ['unique', 'sparse', 'hidden']) if (isTruthy(given[option])) spec[option] = true
  if (given['partialFilterExpression'] !== undefined) {
    if (isTruthy(given['sparse'])) throw new ServerError('CannotCreateIndex', 'cannot mix "partialFilterExpression" and "sparse" options')
    spec['partialFilterExpression'] = partialFilter(given['partialFilterExpression'])
  }
  if (given['expireAfterSeconds'] !== undefined) {
    const seconds = toNumber(given['expireAfterSeconds'])
    if (seconds === undefined || seconds < 0 || seconds > MAX_TTL) throw new ServerError('CannotCreateIndex', `TTL index 'expireAfterSeconds' option must be within an acceptable range, try a different number than ${String(given['expireAfterSeconds'])}.`)
    if (Object.keys(key).length > 1) throw new ServerError('CannotCreateIndex', 'TTL indexes are single-field indexes, compound indexes do not support TTL.')
    if (Object.hasOwn(key, '_id')) throw new ServerError('InvalidIndexSpecificationOption', "The field 'expireAfterSeconds' is not valid for an _id index specification.")
    spec['expireAfterSeconds'] = given['expireAfterSeconds']
  }
  return spec
}

function partialFilter (filter: unknown): Document {
  if (!isDocument(filter)) throw new ServerError('CannotCreateIndex', '"partialFilterExpression" for an index must be a document')
  const check = (part: Document): void => {
    for (const [name, operand] of Object.entries(part)) {
      const wrong = name.startsWith('$') && !PARTIAL_OPERATORS.has(name)
      if (wrong || (name === '$exists' && !isTruthy(operand))) throw new ServerError('CannotCreateIndex', `unsupported expression in partial index: ${name}`)
      if (Array.isArray(operand)) operand.filter(isDocument).forEach(check)
      else if (isDocument(operand)) check(operand)
    }
  }
  check(filter)
  compile(filter, { now: new Date(0), variables: {} })
  return filter
}

const essentials = ({ spec: { v, name, hidden, ...rest } }: { spec: Document }): Document => Object.fromEntries(Object.entries(rest).sort(([left], [right]) => left < right ? -1 : 1))

/** The index that is already what is asked for. Throws where a name or key is taken by another. */
function same (collection: Collection, spec: Document): Index | undefined {
  const named = collection.indexes.find(({ name }) => name === spec['name'])
  const keyed = collection.indexes.find(({ keyPattern, partialFilter: filter }) => identical(keyPattern, spec['key']) && identical(filter ?? null, spec['partialFilterExpression'] ?? null))
  if (named !== undefined) {
    if (!identical(named.keyPattern, spec['key']) || !identical(named.partialFilter ?? null, spec['partialFilterExpression'] ?? null)) {
      throw new ServerError('IndexKeySpecsConflict', `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: ${JSON.stringify(spec)}, existing index: ${JSON.stringify(named.spec)}`)
    }
    if (named.name === '_id_' || identical(essentials(named), essentials({ spec }))) return named
    throw new ServerError('IndexOptionsConflict', `An equivalent index already exists with the same name but different options. Requested index: ${JSON.stringify(spec)}, existing index: ${JSON.stringify(named.spec)}`)
  }
  if (keyed === undefined) return undefined
  if (keyed.name === '_id_') return keyed
  throw identical(essentials(keyed), essentials({ spec }))
    ? new ServerError('IndexOptionsConflict', `Index already exists with a different name: ${keyed.name}`)
    : new ServerError('IndexOptionsConflict', `An equivalent index already exists with a different name and options. Requested index: ${JSON.stringify(spec)}, existing index: ${JSON.stringify(keyed.spec)}`)
}

export const createIndexes: Command = (command, context) => {
  const specs = requiredDocuments(command, 'indexes').map(specification)
  if (specs.length === 0) throw new ServerError('BadValue', 'Must specify at least one index to create')
  for (const [i, spec] of specs.entries()) {
    if (specs.some((other, j) => j < i && identical(other, spec))) throw new ServerError('IndexAlreadyExists', `Identical index already exists: ${String(spec['name'])}`)
  }
  const created = existing(command, context) === undefined
  const collection = context.catalog.findOrCreate(context.database, collectionName(command))
  const before = collection.indexes.length
  const added: Index[] = []
  try {
    for (const spec of specs) {
      if (collection.cap !== undefined && spec['expireAfterSeconds'] !== undefined) throw new ServerError('CannotCreateIndex', 'Cannot create TTL index on a capped collection')
      if (same(collection, spec) === undefined) added.push(collection.addIndex(spec))
    }
  } catch (error) {
    for (const index of added) collection.dropIndex(index)
    throw error
  }
  const after = collection.indexes.length
  return {
    numIndexesBefore: before,
    numIndexesAfter: after,
    createdCollectionAutomatically: created,
    ...(after === before ? { note: 'all indexes already exist' } : {}),
    ok: 1
  }
}

export const listIndexes: Command = (command, context) => {
  const collection = existing(command, context)
  const namespace = `${context.database}.${collectionName(command)}`
  if (collection === undefined) throw new ServerError('NamespaceNotFound', `ns does not exist: ${namespace}`)
  const batchSize = countField(documentField(command, 'cursor'), 'batchSize')
  return context.cursors.open(namespace, listSource(collection.indexes.map(({ spec }) => spec)), { batchSize, user: context.session.user })
}

export const dropIndexes: Command = (command, context) => {
  const collection = existing(command, context)
  if (collection === undefined) throw new ServerError('NamespaceNotFound', `ns not found ${context.database}.${collectionName(command)}`)
  const nIndexesWas = collection.indexes.length
  const given: unknown = command['index']
  if (given === undefined) throw missing('dropIndexes.index')
  if (typeof given !== 'string' && typeof given !== 'object') throw new ServerError('TypeMismatch', "BSON field 'dropIndexes.index' is the wrong type, expected types '[string, object]'")
  if (given === '*') {
    for (const index of collection.indexes.slice(1)) collection.dropIndex(index)
    return { nIndexesWas, msg: 'non-_id indexes dropped for collection', ok: 1 }
  }
  for (const wanted of Array.isArray(given) ? given : [given]) {
    const index = collection.indexes.find(({ name, keyPattern }) => name === wanted || identical(keyPattern, wanted))
    if (index === undefined) {
      throw new ServerError('IndexNotFound', typeof wanted === 'string' ? `index not found with name [${wanted}]` : `can't find index with key: ${JSON.stringify(wanted)}`)
    }
    if (index.name === '_id_') throw new ServerError('InvalidOptions', 'cannot drop _id index')
    collection.dropIndex(index)
  }
  return { nIndexesWas, ok: 1 }
}
