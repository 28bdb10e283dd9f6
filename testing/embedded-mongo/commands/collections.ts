import { Binary } from 'bson'
import { listSource } from '../cursors.js'
import type { Collection } from '../collection.js'
import { isDocument, isTruthy, toNumber, type Document } from '../document.js'
import { ServerError } from '../errors.js'
import { compile } from '../matcher.js'
import { identical } from '../ordering.js'
import { collectionName, countField, documentField, existing, type Command } from './command.js'

const MIN_CAPPED_SIZE = 4096
const MAX_CAPPED_SIZE = 2 ** 50
const MAX_CAPPED_DOCUMENTS = 2 ** 31

/** A capped collection's size as a server keeps it: at least 4096, a multiple of 256. */
function cappedSize (size: unknown): number {
  const bytes = toNumber(size)
  if (size !== undefined && bytes === undefined) throw new ServerError('TypeMismatch', "BSON field 'create.size' is the wrong type, expected types '[long, int, decimal, double]'")
  if (bytes !== undefined && bytes < 1) throw new ServerError(51024, `BSON field 'size' value must be >= 1, actual value '${bytes}'`)
  if (bytes === undefined) throw new ServerError('InvalidOptions', "the 'size' field is required when 'capped' is true")
  if (bytes > MAX_CAPPED_SIZE) throw new ServerError(51024, `BSON field 'size' value must be < ${MAX_CAPPED_SIZE}, actual value '${bytes}'`)
  return Math.max(MIN_CAPPED_SIZE, Math.ceil(bytes / 256) * 256)
}

const REFUSED_OPTIONS = ['viewOn', 'timeseries', 'clusteredIndex', 'validator', 'expireAfterSeconds', 'encryptedFields']

export const create: Command = (command, { catalog, database }) => {
  const name = collectionName(command)
  const refused = REFUSED_OPTIONS.find((option) => command[option] !== undefined && !(isDocument(command[option]) && Object.keys(command[option]).length === 0))
  if (refused !== undefined) throw new ServerError('NotImplemented', `this server has no '${refused}' for collections`)
  const options: Document = {}
  if (isTruthy(command['capped'])) {
    options['capped'] = true
    options['size'] = cappedSize(command['size'])
    const max = countField(command, 'max')
    if (max !== undefined && max >= MAX_CAPPED_DOCUMENTS) throw new ServerError('BadValue', 'max in a capped collection has to be < 2^31 or not set')
    if (max !== undefined && max > 0) options['max'] = max
  } else if (command['max'] !== undefined || command['size'] !== undefined) {
    throw new ServerError('InvalidOptions', 'the \'capped\' field needs to be true when either the \'size\' or \'max\' fields are present')
  }
  if (catalog.find(database, name) !== undefined) throw new ServerError('NamespaceExists', `Collection ${database}.${name} already exists.`)
  catalog.create(database, name, options)
  return { ok: 1 }
}

export const drop: Command = (command, context) => {
  const name = collectionName(command)
  const collection = existing(command, context)
  if (collection === undefined) return { ok: 1 }
  context.catalog.drop(context.database, name)
  return { nIndexesWas: collection.indexes.length, ns: `${context.database}.${name}`, ok: 1 }
}

export const dropDatabase: Command = (_command, { catalog, database }) => {
  const existed = catalog.databases.has(database)
  catalog.dropDatabase(database)
  return existed ? { dropped: database, ok: 1 } : { ok: 1 }
}

function information (name: string, collection: Collection): Document {
  const [id] = collection.indexes
  return {
    name,
    type: 'collection',
    options: collection.options,
    info: { readOnly: false, uuid: new Binary(collection.uuid, Binary.SUBTYPE_UUID) },
    idIndex: id?.spec ?? {}
  }
}

export const listCollections: Command = (command, context) => {
  const { catalog, cursors, database, session } = context
  const matches = compile(documentField(command, 'filter'), { now: context.now(), variables: {} })
  const nameOnly = isTruthy(command['nameOnly'])
  const onlyAllowed = isTruthy(command['authorizedCollections'])
  const documents = catalog.list(database)
    .filter(([name]) => !onlyAllowed || context.users.sees(session.user, database, name))
    .map(([name, collection]) => information(name, collection))
    .filter(matches)
    .map((document) => nameOnly ? { name: document['name'], type: document['type'] } : document)
  const batchSize = countField(documentField(command, 'cursor'), 'batchSize')
  return cursors.open(`${database}.$cmd.listCollections`, listSource(documents), { batchSize, user: session.user })
}

export const listDatabases: Command = (command, context) => {
  const { catalog } = context
  const matches = compile(documentField(command, 'filter'), { now: context.now(), variables: {} })
  const databases = [...catalog.databases].filter(([name]) => context.users.sees(context.session.user, name)).map(([name, collections]) => {
    const sizeOnDisk = [...collections.values()].reduce((sum, { bytes }) => sum + bytes, 0)
    return isTruthy(command['nameOnly']) ? { name } : { name, sizeOnDisk, empty: sizeOnDisk === 0 }
  }).filter(matches)
  const totalSize = databases.reduce((sum, { sizeOnDisk = 0 }: { sizeOnDisk?: number }) => sum + sizeOnDisk, 0)
  return isTruthy(command['nameOnly']) ? { databases, ok: 1 } : { databases, totalSize, totalSizeMb: Math.floor(totalSize / 1048576), ok: 1 }
}

export const collMod: Command = (command, context) => {
  const collection = existing(command, context)
  if (collection === undefined) throw new ServerError('NamespaceNotFound', `ns does not exist: ${context.database}.${collectionName(command)}`)
  const answer: Document = { ok: 1 }
  if (command['index'] !== undefined) {
    const { name, keyPattern, expireAfterSeconds } = documentField(command, 'index')
    const index = collection.indexes.find((candidate) => candidate.name === name || identical(candidate.keyPattern, keyPattern))
    if (index === undefined) throw new ServerError('IndexNotFound', `cannot find index ${String(name ?? JSON.stringify(keyPattern))} for ns ${collection.namespace}`)
    if (toNumber(expireAfterSeconds) === undefined) throw new ServerError('InvalidOptions', 'no expireAfterSeconds field to update')
    if (index.expireAfterSeconds !== undefined) answer['expireAfterSeconds_old'] = BigInt(index.expireAfterSeconds)
    answer['expireAfterSeconds_new'] = BigInt(toNumber(expireAfterSeconds) ?? 0)
    index.spec = { ...index.spec, expireAfterSeconds }
  }
  if (command['cappedSize'] !== undefined || command['cappedMax'] !== undefined) {
    if (collection.cap === undefined) throw new ServerError('InvalidOptions', "Collection must be capped to set 'cappedSize' or 'cappedMax'.")
    if (command['cappedSize'] !== undefined) collection.cap.size = cappedSize(command['cappedSize'])
    const max = toNumber(command['cappedMax'])
    if (max !== undefined) collection.cap.max = max > 0 ? max : undefined
    collection.options['size'] = collection.cap.size
    if (collection.cap.max === undefined) delete collection.options['max']
    else collection.options['max'] = collection.cap.max
    collection.evict()
  }
  return answer
}

export const convertToCapped: Command = (command, context) => {
  const collection = existing(command, context)
  if (collection === undefined) throw new ServerError('NamespaceNotFound', `source collection ${context.database}.${collectionName(command)} does not exist`)
  const size = cappedSize(command['size'])
  const { catalog, database } = context
  const records = [...collection.records.from()].map(([, { document }]) => document)
  catalog.drop(database, collectionName(command))
  const capped = catalog.create(database, collectionName(command), { capped: true, size })
  for (const document of records) capped.insert(document)
  return { ok: 1 }
}

export const renameCollection: Command = (command, { catalog, database }) => {
  if (database !== 'admin') throw new ServerError('Unauthorized', 'renameCollection may only be run against the admin database.')
  const parse = (namespace: unknown): [string, string] => {
    const text = String(namespace)
    const dot = text.indexOf('.')
    return [text.slice(0, dot), text.slice(dot + 1)]
  }
  const from = parse(command['renameCollection'])
  const to = parse(command['to'])
  if (catalog.find(...from) === undefined) throw new ServerError('NamespaceNotFound', `Source collection ${from.join('.')} does not exist`)
  if (catalog.find(...to) !== undefined) {
    if (!isTruthy(command['dropTarget'])) throw new ServerError('NamespaceExists', 'target namespace exists')
    catalog.drop(...to)
  }
  catalog.rename(from, to)
  return { ok: 1 }
}
