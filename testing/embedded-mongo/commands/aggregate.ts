import type { Collection } from '../collection.js'
import { listSource } from '../cursors.js'
import { isDocument, toNumber, type Document } from '../document.js'
import { ServerError } from '../errors.js'
import { plainDocument } from '../expression.js'
import { runStages } from '../pipeline.js'
import { checkStages } from '../stage-checks.js'
import { collectionStats } from './statistics.js'
import { collectionName, countField, documentField, documentsField, refuseCollation, type Command, type CommandContext } from './command.js'
import { matchContext, select, type Query } from './find.js'

const REFUSED = new Set(['$out', '$merge', '$changeStream', '$geoNear', '$search', '$currentOp', '$listSessions'])

/** The leading `$match`, `$sort`, `$skip` and `$limit` stages: a query that the indexes can answer. */
export function leadingQuery (pipeline: Document[]): { query: Query, rest: Document[] } {
  const query: Query = { filter: {} }
  let at = 0
  const filters: unknown[] = []
  for (; isDocument(pipeline[at]?.['$match']) && Object.keys(pipeline[at] ?? {}).length === 1; at++) filters.push(pipeline[at]?.['$match'])
  if (filters.length > 0) query.filter = filters.length === 1 && isDocument(filters[0]) ? filters[0] : { $and: filters }
  if (isDocument(pipeline[at]?.['$sort'])) query.sort = pipeline[at++]?.['$sort']
  if (pipeline[at]?.['$skip'] !== undefined) query.skip = toNumber(pipeline[at++]?.['$skip'])
  if (pipeline[at]?.['$limit'] !== undefined) query.limit = toNumber(pipeline[at++]?.['$limit'])
  return { query, rest: pipeline.slice(at) }
}

function results (collection: Collection | undefined, pipeline: Document[], command: Document, context: CommandContext): Document[] {
  const given = matchContext(command, context)
  const first = pipeline[0]
  const refused = pipeline.map((stage) => Object.keys(stage)[0] ?? '').find((name) => REFUSED.has(name))
  if (refused === '$changeStream') throw new ServerError(40573, 'The $changeStream stage is only supported on replica sets')
  if (refused !== undefined) throw new ServerError('NotImplemented', `this server has no ${refused}`)
  checkStages(pipeline)
  const scope = {
    ...given,
    collection: (name: string) => [...context.catalog.find(context.database, name)?.records.from() ?? []].map(([, { document }]) => document)
  }
  if (first !== undefined && Object.hasOwn(first, '$collStats')) {
    if (collection === undefined) throw new ServerError('NamespaceNotFound', `Collection [${context.database}.${collectionName(command)}] not found.`)
    return runStages([collectionStats(collection, first['$collStats'], context.now())], pipeline.slice(1), scope)
  }
  if (first !== undefined && Object.hasOwn(first, '$indexStats')) {
    return runStages((collection?.indexes ?? []).map(({ name, keyPattern }) => ({ name, key: keyPattern, accesses: { ops: 0, since: context.now() } })), pipeline.slice(1), scope)
  }
  const { query, rest } = leadingQuery(pipeline)
  const documents = collection === undefined ? [] : select(collection, { ...query, hint: command['hint'] }, given).records.map(({ document }) => document)
  if (rest.length === 0) return documents
  if (rest.length === 1 && typeof rest[0]?.['$count'] === 'string') return documents.length === 0 ? [] : [{ [rest[0]['$count']]: documents.length }]
  return runStages(documents.map(plainDocument), rest, scope)
}

export const aggregate: Command = (command, context) => {
  refuseCollation(command)
  const pipeline = documentsField(command, 'pipeline')
  const target = command['aggregate']
  if (command['cursor'] === undefined && command['explain'] === undefined) {
    throw new ServerError('FailedToParse', "The 'cursor' option is required, except for aggregate with the explain argument")
  }
  if (command['explain'] === true) throw new ServerError('NotImplemented', 'this server explains by the explain command only')
  const batchSize = countField(documentField(command, 'cursor'), 'batchSize')
  const whole = toNumber(target) === 1
  const collection = whole ? undefined : context.catalog.find(context.database, collectionName(command))
  const namespace = `${context.database}.${whole ? '$cmd.aggregate' : collectionName(command)}`
  return context.cursors.open(namespace, listSource(results(collection, pipeline, command, context)), { batchSize, user: context.session.user })
}
