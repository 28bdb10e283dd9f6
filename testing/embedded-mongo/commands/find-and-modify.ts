import { isTruthy, type Document } from '../document.js'
import { ServerError } from '../errors.js'
import { compile } from '../matcher.js'
import { identical } from '../ordering.js'
import { projection } from '../projection.js'
import { collectionName, documentField, existing, refuseCollation, type Command } from './command.js'
import { matchContext, select } from './find.js'
import { insertUpserted, updateStatement } from './write.js'

export const findAndModify: Command = (command, context) => {
  refuseCollation(command)
  const given = matchContext(command, context)
  const filter = documentField(command, 'query')
  const remove = isTruthy(command['remove'])
  const returnNew = isTruthy(command['new'])
  documentField(command, 'sort')
  compile(filter, given)
  if (remove && command['update'] !== undefined) throw new ServerError('FailedToParse', "Cannot specify both an 'update' and 'remove'=true")
  if (!remove && command['update'] === undefined) throw new ServerError('FailedToParse', 'Either an update or remove=true must be specified')
  if (remove && isTruthy(command['upsert'])) throw new ServerError('FailedToParse', 'Cannot specify both upsert=true and remove=true')
  if (remove && returnNew) throw new ServerError('FailedToParse', "Cannot specify both new=true and remove=true; 'remove' always returns the deleted document")
  const project = projection(command['fields'], filter, given)
  const shown = (document: Document): Document => project === undefined ? document : project(document)
  const query = { filter, sort: command['sort'], limit: 1, hint: command['hint'] }
  if (remove) {
    const collection = existing(command, context)
    const [record] = collection === undefined ? [] : select(collection, query, given).records
    if (record === undefined) return { lastErrorObject: { n: 0 }, value: null, ok: 1 }
    collection?.remove(record)
    return { lastErrorObject: { n: 1 }, value: shown(record.document), ok: 1 }
  }
  const statement = updateStatement(filter, command['update'], command)
  const collection = statement.upsert ? context.catalog.findOrCreate(context.database, collectionName(command)) : existing(command, context)
  const [record] = collection === undefined ? [] : select(collection, query, given).records
  if (collection === undefined || (record === undefined && !statement.upsert)) {
    return { lastErrorObject: { n: 0, updatedExisting: false }, value: null, ok: 1 }
  }
  if (record === undefined) {
    const made = insertUpserted(collection, statement, given.now, given.variables)
    return { lastErrorObject: { n: 1, updatedExisting: false, upserted: made['_id'] }, value: returnNew ? shown(made) : null, ok: 1 }
  }
  const next = statement.apply(record.document, { ...given, filter, arrayFilters: statement.arrayFilters, inserting: false })
  if (!identical(record.document, next)) collection.replace(record, next)
  return { lastErrorObject: { n: 1, updatedExisting: true }, value: shown(returnNew ? next : record.document), ok: 1 }
}
