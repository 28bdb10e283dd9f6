import type { mongo } from 'mongoose'
import { errors } from '../errors.js'
import type { LogDocument } from './seal.js'

/** Size of the capped collection, in bytes and, if given, in entries. */
export interface LogSize { readonly size: number, readonly max?: number }

/** The indexes of the log's collection. */
export const logIndexes: readonly mongo.IndexDescription[] = [
  { key: { chain: 1, seq: 1 }, name: 'chain_1_seq_1', unique: true },
  { key: { event: 1, _id: 1 }, name: 'event_1__id_1' },
  { key: { 'target.id': 1, _id: 1 }, name: 'target.id_1__id_1' },
  { key: { source: 1 }, name: 'source_1', unique: true, sparse: true }
]

/** What the server says about the collection, or null when there is none. */
export interface LogCollectionState {
  readonly capped: boolean
  /** Bytes of the entries in it, and the bound. */
  readonly size: number
  readonly maxSize: number
  readonly count: number
  /** The bound in entries, 0 for none. */
  readonly max: number
}

/** Needs no more than the `collStats` privilege. */
export async function readLogCollection (db: mongo.Db, name: string): Promise<LogCollectionState | null> {
  try {
    const [stats] = await db.collection(name).aggregate<{ storageStats?: Record<string, unknown> }>([{ $collStats: { storageStats: {} } }]).toArray()
    const storage = stats?.storageStats
    if (storage === undefined) return null
    return { capped: storage['capped'] === true, size: numberIn(storage['size']), maxSize: numberIn(storage['maxSize']), count: numberIn(storage['count']), max: numberIn(storage['max']) }
  } catch (error) {
    if (hasCode(error, 26)) return null // NamespaceNotFound
    throw error
  }
}

/**
 * Creates the capped collection and its indexes unless they are there. Several processes may do so at once.
 * @param reader the log's own connection, which may do no more than insert and find
 * @param creator a connection that may create
 * @throws DWA_LOG_NOT_CAPPED, DWA_LOG_MISSING
 */
export async function ensureLogCollection (reader: mongo.Db, creator: mongo.Db, name: string, size: LogSize): Promise<LogCollectionState> {
  let found = await readLogCollection(reader, name)
  // For a collection that does not exist, some servers give empty statistics in place of an error.
  // Another database than the store's is none of the store's credential's business.
  const [first, ...others] = reader.databaseName === creator.databaseName ? [creator, reader] as const : [reader] as const
  let maker: mongo.Db = first
  for (const candidate of [first, ...others]) {
    if (found !== null && (found.capped || found.count > 0)) break
    maker = candidate
    const made = await createCapped(maker, name, size)
    found = await readLogCollection(reader, name)
    if (!made && found !== null) break
  }
  if (found?.capped !== true) {
    throw new errors.DWA_LOG_NOT_CAPPED(name, `db.runCommand({ convertToCapped: "${name}", size: ${size.size} })`)
  }
  await ensureIndexes(reader.collection(name), maker.collection(name))
  return found
}

/** @returns false when there is such a collection, capped or not: another process may have been first */
async function createCapped (db: mongo.Db, name: string, size: LogSize): Promise<boolean> {
  try {
    await db.createCollection(name, { capped: true, ...size })
    return true
  } catch (error) {
    if (hasCode(error, 13)) throw new errors.DWA_LOG_MISSING(name, `db.getSiblingDB("${db.databaseName}").createCollection("${name}", ${JSON.stringify({ capped: true, ...size })})`)
    if (!hasCode(error, 48)) throw error // NamespaceExists
    return false
  }
}

async function ensureIndexes (reader: mongo.Collection, creator: mongo.Collection): Promise<void> {
  const present = new Set((await reader.listIndexes().toArray()).map((index) => String(index['name'])))
  const missing = logIndexes.filter((index) => !present.has(index.name ?? ''))
  if (missing.length > 0) await creator.createIndexes(missing)
}

/** The log's collection, typed. */
export function logCollection (db: mongo.Db, name: string): mongo.Collection<LogDocument> {
  return db.collection<LogDocument>(name)
}

function numberIn (value: unknown): number {
  return typeof value === 'number' ? value : 0
}

function hasCode (error: unknown, code: number): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
