import type { Collection } from '../collection.js'
import { isDocument, isTruthy, toNumber, typeOf, type Document } from '../document.js'
import { ServerError } from '../errors.js'
import { compile } from '../matcher.js'
import { identical } from '../ordering.js'
import { isReplacement, updater, upserted, type Updater } from '../update.js'
import { collectionName, documentField, documentsField, existing, missing, refuseCollation, requiredDocuments, type Command } from './command.js'
import { matchContext, select } from './find.js'

const MAX_BATCH = 100_000

function writeError (index: number, error: unknown): Document {
  if (!(error instanceof ServerError) || error.codeName === 'BSONObjectTooLarge') throw error
  return { index, code: error.code, ...error.info, errmsg: error.message }
}

function requireFields (statement: Document, at: string, fields: string[]): void {
  for (const field of fields) if (statement[field] === undefined) throw missing(`${at}.${field}`)
  if (!isDocument(statement['q'])) throw new ServerError('TypeMismatch', `BSON field '${at}.q' is the wrong type '${typeOf(statement['q'])[1]}', expected type 'object'`)
}

/** Runs the statements of a write, and stops at the first failure where they are ordered. */
function each (statements: Document[], command: Document, run: (statement: Document, index: number) => void): Document[] {
  if (statements.length === 0 || statements.length > MAX_BATCH) {
    throw new ServerError('InvalidLength', `Write batch sizes must be between 1 and ${MAX_BATCH}. Got ${statements.length} operations.`)
  }
  const ordered = command['ordered'] !== false
  const errors: Document[] = []
  for (const [index, statement] of statements.entries()) {
    try {
      run(statement, index)
    } catch (error) {
      errors.push(writeError(index, error))
      if (ordered) break
    }
  }
  return errors
}

const withErrors = (answer: Document, errors: Document[]): Document => errors.length > 0 ? { ...answer, writeErrors: errors, ok: 1 } : { ...answer, ok: 1 }

export const insert: Command = (command, context) => {
  const name = collectionName(command)
  const documents = requiredDocuments(command, 'documents')
  const collection = context.catalog.findOrCreate(context.database, name)
  let n = 0
  const errors = each(documents, command, (document) => {
    collection.insert(document)
    n++
  })
  return withErrors({ n }, errors)
}

export const deleteDocuments: Command = (command, context) => {
  const collection = existing(command, context)
  const given = matchContext(command, context)
  const deletes = requiredDocuments(command, 'deletes')
  for (const statement of deletes) {
    requireFields(statement, 'delete.deletes', ['q', 'limit'])
    const limit = toNumber(statement['limit'])
    if (limit !== 0 && limit !== 1) throw new ServerError('FailedToParse', `The 'delete.deletes.limit' field must be 0 or 1. Got ${String(statement['limit'])}`)
  }
  let n = 0
  const errors = each(deletes, command, (statement) => {
    refuseCollation(statement)
    const filter = documentField(statement, 'q')
    const limit = toNumber(statement['limit'])
    compile(filter, given)
    if (collection === undefined) return
    for (const record of select(collection, { filter, limit, hint: statement['hint'] }, given).records) {
      collection.remove(record)
      n++
    }
  })
  return withErrors({ n }, errors)
}

/** One compiled update statement. */
export interface UpdateStatement { filter: Document, update: unknown, arrayFilters: Document[], apply: Updater, upsert: boolean, variables: Document }

/** Compiles an update. Throws what a server answers for one that makes no sense. */
export function updateStatement (filter: Document, update: unknown, options: Document): UpdateStatement {
  const arrayFilters = documentsField(options, 'arrayFilters')
  if (arrayFilters.length > 0 && (Array.isArray(update) || isReplacement(update))) {
    throw new ServerError('FailedToParse', Array.isArray(update) ? 'Cannot specify arrayFilters for a pipeline update' : 'Cannot specify arrayFilters for a replacement-style update')
  }
  return { filter, update, arrayFilters, apply: updater(update, arrayFilters), upsert: isTruthy(options['upsert']), variables: isDocument(options['c']) ? options['c'] : {} }
}

/** Inserts what an upsert makes where nothing matched. */
export function insertUpserted (collection: Collection, statement: UpdateStatement, now: Date, variables: Document): Document {
  const { filter, update, apply, arrayFilters } = statement
  return collection.insert(upserted(filter, update, apply, { now, variables, arrayFilters })).document
}

function updateMatching (collection: Collection, statement: UpdateStatement, options: Document, now: Date, variables: Document): { matched: number, modified: number, upserted: unknown } {
  const { filter, apply, arrayFilters } = statement
  const multi = isTruthy(options['multi'])
  const { records } = select(collection, { filter, limit: multi ? 0 : 1, hint: options['hint'], sort: options['sort'] }, { now, variables })
  let modified = 0
  for (const record of records) {
    const next = apply(record.document, { filter, arrayFilters, now, variables, inserting: false })
    if (identical(record.document, next)) continue
    collection.replace(record, next)
    modified++
  }
  if (records.length > 0 || !statement.upsert) return { matched: records.length, modified, upserted: undefined }
  return { matched: 0, modified: 0, upserted: insertUpserted(collection, statement, now, variables)['_id'] }
}

export const update: Command = (command, context) => {
  const { now, variables } = matchContext(command, context)
  let n = 0
  let nModified = 0
  const upsertedIds: Document[] = []
  const updates = requiredDocuments(command, 'updates')
  for (const statement of updates) {
    requireFields(statement, 'update.updates', ['q', 'u'])
    if (!isDocument(statement['u']) && !Array.isArray(statement['u'])) throw new ServerError('FailedToParse', 'Update argument must be either an object or an array')
  }
  const errors = each(updates, command, (options, index) => {
    refuseCollation(options)
    const filter = documentField(options, 'q')
    const statement = updateStatement(filter, options['u'], options)
    if (isTruthy(options['multi']) && isReplacement(options['u'])) throw new ServerError('FailedToParse', 'multi update is not supported for replacement-style update')
    const scope = { ...variables, ...statement.variables }
    compile(filter, { now, variables: scope })
    const collection = statement.upsert ? context.catalog.findOrCreate(context.database, collectionName(command)) : existing(command, context)
    if (collection === undefined) return
    const result = updateMatching(collection, statement, options, now, scope)
    n += result.matched
    nModified += result.modified
    if (result.upserted !== undefined) {
      n++
      upsertedIds.push({ index, _id: result.upserted })
    }
  })
  return withErrors({ n, nModified, ...(upsertedIds.length > 0 ? { upserted: upsertedIds } : {}) }, errors)
}
