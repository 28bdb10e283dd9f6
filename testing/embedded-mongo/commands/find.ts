import type { Collection, StoredRecord } from '../collection.js'
import { cappedSource, listSource } from '../cursors.js'
import { isDocument, isTruthy, type Document } from '../document.js'
import { ServerError } from '../errors.js'
import type { Index } from '../index-keys.js'
import { compile, type MatchContext } from '../matcher.js'
import { identical, sortKey } from '../ordering.js'
import { valuesAt } from '../paths.js'
import { plan, run, type Examined, type Plan } from '../planner.js'
import { projection } from '../projection.js'
import { sortBy, sortSpec } from '../sort.js'
import { collectionName, countField, documentField, existing, missing, numberField, refuseCollation, type Command, type CommandContext } from './command.js'

/** The time and the variables (`let`) of one command. */
export function matchContext (command: Document, { now }: CommandContext): MatchContext {
  return { now: now(), variables: documentField(command, 'let') }
}

/** The index a hint names. Throws where there is none. */
export function hinted (collection: Collection, hint: unknown): Index | 'natural' | 'backward' | undefined {
  if (hint === undefined || (isDocument(hint) && Object.keys(hint).length === 0)) return undefined
  if (isDocument(hint) && Object.hasOwn(hint, '$natural')) return hint['$natural'] === -1 ? 'backward' : 'natural'
  const index = collection.indexes.find(({ name, keyPattern }) => name === hint || identical(keyPattern, hint))
  if (index === undefined) throw new ServerError('BadValue', 'error processing query: planner returned error :: caused by :: hint provided does not correspond to an existing index')
  return index
}

/** What a query asks for, beside its filter. */
export interface Query { filter: Document, sort?: unknown, skip?: number | undefined, limit?: number | undefined, hint?: unknown }

/** The records a query finds, sorted and cut. */
export function select (collection: Collection, query: Query, context: MatchContext, examined?: Examined): { records: StoredRecord[], plan: Plan } {
  const matches = compile(query.filter, context)
  const sort = sortSpec(query.sort)
  const chosen = plan(collection, query.filter, sort, hinted(collection, query.hint))
  const sorted = sort === undefined || chosen.stage === 'IDHACK' || (chosen.stage !== 'OR' && chosen.sorted)
  const skip = query.skip ?? 0
  const limit = query.limit === undefined || query.limit === 0 ? Infinity : Math.abs(query.limit)
  const records: StoredRecord[] = []
  let skipped = 0
  for (const record of run(collection, chosen, matches, examined)) {
    if (sorted && skipped < skip) {
      skipped++
      continue
    }
    records.push(record)
    if (sorted && records.length >= limit) break
  }
  if (sorted || sort === undefined) return { records, plan: chosen }
  return { records: sortBy(records, sort, ({ document }) => document).slice(skip, skip + limit), plan: chosen }
}

export const find: Command = (command, context) => {
  refuseCollation(command)
  const refused = ['min', 'max', 'returnKey', 'showRecordId'].find((option) => isTruthy(command[option]))
  if (refused !== undefined) throw new ServerError('NotImplemented', `this server has no '${refused}' for find`)
  documentField(command, 'sort')
  const name = collectionName(command)
  const namespace = `${context.database}.${name}`
  const filter = documentField(command, 'filter')
  const given = matchContext(command, context)
  const project = projection(command['projection'], filter, given)
  const transform = (document: Document): Document => project === undefined ? document : project(document)
  const limit = countField(command, 'limit')
  const skip = countField(command, 'skip')
  const batchSize = countField(command, 'batchSize')
  const tailable = isTruthy(command['tailable'])
  const awaitData = isTruthy(command['awaitData'])
  if (awaitData && !tailable) throw new ServerError('FailedToParse', 'Cannot set awaitData without tailable')
  const singleBatch = isTruthy(command['singleBatch'])
  const options = { batchSize, singleBatch, awaitData, user: context.session.user }
  const matches = compile(filter, given)
  const collection = existing(command, context)
  if (collection === undefined) return context.cursors.open(namespace, listSource([]), options)
  if (tailable && collection.cap === undefined) {
    throw new ServerError('BadValue', `error processing query: ns=${namespace} tailable cursor requested on non capped collection`)
  }
  const natural = isDocument(command['sort']) && Object.keys(command['sort']).length > 0 ? command['sort'] : undefined
  if (tailable) {
    if (natural !== undefined && natural['$natural'] !== 1) throw new ServerError('BadValue', 'error processing query: tailable cursor requested with a sort other than {$natural: 1}')
    if (collection.records.size === 0) return context.cursors.open(namespace, listSource([]), options)
    return context.cursors.open(namespace, cappedSource(collection, matches, transform, true), options)
  }
  const query = { filter, sort: command['sort'], skip, limit, hint: command['hint'] }
  const scans = collection.cap !== undefined && natural === undefined && limit === undefined && skip === undefined
  if (scans && plan(collection, filter, undefined, hinted(collection, command['hint'])).stage === 'COLLSCAN') {
    return context.cursors.open(namespace, cappedSource(collection, matches, transform, false), options)
  }
  const { records } = select(collection, query, given)
  return context.cursors.open(namespace, listSource(lazily(records, transform)), options)
}

function * lazily (records: StoredRecord[], transform: (document: Document) => Document): Generator<Document, undefined> {
  for (const { document } of records) yield transform(document)
}

export const count: Command = (command, context) => {
  refuseCollation(command)
  const filter = documentField(command, 'query')
  const limit = numberField(command, 'limit')
  const given = matchContext(command, context)
  const collection = existing(command, context)
  if (collection === undefined) {
    compile(filter, given)
    return { n: 0, ok: 1 }
  }
  if (Object.keys(filter).length === 0) {
    const n = Math.max(0, collection.records.size - (countField(command, 'skip') ?? 0))
    return { n: limit === undefined || limit === 0 ? n : Math.min(n, Math.abs(limit)), ok: 1 }
  }
  const { records } = select(collection, { filter, skip: countField(command, 'skip'), limit, hint: command['hint'] }, given)
  return { n: records.length, ok: 1 }
}

export const distinct: Command = (command, context) => {
  refuseCollation(command)
  const key = command['key']
  if (key === undefined) throw missing('distinct.key')
  if (key === '') throw new ServerError(40352, 'FieldPath cannot be constructed with empty string')
  if (typeof key !== 'string') throw new ServerError('TypeMismatch', "BSON field 'distinct.key' is the wrong type, expected type 'string'")
  const collection = existing(command, context)
  const records = collection === undefined ? [] : select(collection, { filter: documentField(command, 'query') }, matchContext(command, context)).records
  const values = new Map<string, unknown>()
  for (const { document } of records) {
    for (const value of valuesAt(document, key)) {
      const identity = sortKey(value)
      if (!values.has(identity)) values.set(identity, value)
    }
  }
  const sorted = [...values].sort(([left], [right]) => left < right ? -1 : 1)
  return { values: sorted.map(([, value]) => value), ok: 1 }
}
