import type { Collection } from '../collection.js'
import { isDocument, toNumber, type Document } from '../document.js'
import { ServerError } from '../errors.js'
import { existing, type Command, collectionName } from './command.js'

const INDEX_ENTRY_BYTES = 64

function storage (collection: Collection, scale = 1): Document {
  const scaled = (bytes: number): number => Math.floor(bytes / scale)
  const indexSizes: Document = {}
  let total = 0
  for (const { name, entries } of collection.indexes) {
    indexSizes[name] = scaled(4096 + entries.size * INDEX_ENTRY_BYTES)
    total += 4096 + entries.size * INDEX_ENTRY_BYTES
  }
  const { records: { size: count }, bytes, cap } = collection
  return {
    size: scaled(bytes),
    count,
    ...(count > 0 ? { avgObjSize: Math.floor(bytes / count) } : {}),
    storageSize: scaled(bytes + 4096),
    freeStorageSize: 0,
    capped: cap !== undefined,
    ...(cap === undefined ? {} : { max: cap.max ?? 0, maxSize: scaled(cap.size) }),
    nindexes: collection.indexes.length,
    indexBuilds: [],
    totalIndexSize: scaled(total),
    totalSize: scaled(bytes + 4096 + total),
    indexSizes,
    scaleFactor: scale
  }
}

/** What `$collStats` gives of the things it is asked for. */
export function collectionStats (collection: Collection, wanted: unknown, now: Date): Document {
  const asked = isDocument(wanted) ? wanted : {}
  return {
    ns: collection.namespace,
    host: 'localhost',
    localTime: now,
    ...(asked['storageStats'] === undefined ? {} : { storageStats: storage(collection) }),
    ...(asked['count'] === undefined ? {} : { count: collection.records.size })
  }
}

export const collStats: Command = (command, context) => {
  const collection = existing(command, context)
  const scale = toNumber(command['scale']) ?? 1
  const namespace = `${context.database}.${collectionName(command)}`
  if (collection === undefined) return { ns: namespace, size: 0, count: 0, storageSize: 0, capped: false, nindexes: 0, totalIndexSize: 0, indexSizes: {}, scaleFactor: scale, ok: 1 }
  return { ns: namespace, ...storage(collection, scale), ok: 1 }
}

export const dbStats: Command = (_command, { catalog, database }) => {
  const collections = catalog.list(database).map(([, collection]) => collection)
  const objects = collections.reduce((sum, { records }) => sum + records.size, 0)
  const dataSize = collections.reduce((sum, { bytes }) => sum + bytes, 0)
  const indexes = collections.reduce((sum, collection) => sum + collection.indexes.length, 0)
  return { db: database, collections: collections.length, views: 0, objects, avgObjSize: objects === 0 ? 0 : dataSize / objects, dataSize, storageSize: dataSize, indexes, indexSize: indexes * 4096, totalSize: dataSize + indexes * 4096, scaleFactor: 1, ok: 1 }
}

export const validate: Command = (command, context) => {
  const collection = existing(command, context)
  if (collection === undefined) throw new ServerError('NamespaceNotFound', `Collection '${context.database}.${collectionName(command)}' does not exist to validate.`)
  const keysPerIndex: Document = {}
  for (const { name, entries } of collection.indexes) keysPerIndex[name] = entries.size
  return { ns: collection.namespace, nInvalidDocuments: 0, nrecords: collection.records.size, nIndexes: collection.indexes.length, keysPerIndex, indexDetails: {}, valid: true, warnings: [], errors: [], ok: 1 }
}
