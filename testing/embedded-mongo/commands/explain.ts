import { isDocument, type Document } from '../document.js'
import { ServerError } from '../errors.js'
import { describe, plan, type Examined } from '../planner.js'
import { sortSpec } from '../sort.js'
import { leadingQuery } from './aggregate.js'
import { collectionName, documentField, documentsField, numberField, type Command } from './command.js'
import { hinted, matchContext, select, type Query } from './find.js'

function queryOf (command: Document): Query {
  const [name = ''] = Object.keys(command)
  switch (name) {
    case 'find': return { filter: documentField(command, 'filter'), sort: command['sort'], limit: numberField(command, 'limit'), skip: numberField(command, 'skip'), hint: command['hint'] }
    case 'aggregate': return { ...leadingQuery(documentsField(command, 'pipeline')).query, hint: command['hint'] }
    case 'count': case 'distinct': return { filter: documentField(command, 'query'), hint: command['hint'] }
    case 'findAndModify': case 'findandmodify': return { filter: documentField(command, 'query'), sort: command['sort'], limit: 1, hint: command['hint'] }
    case 'update': case 'delete': {
      const [statement = {}] = documentsField(command, name === 'update' ? 'updates' : 'deletes')
      return { filter: documentField(statement, 'q'), sort: statement['sort'], hint: statement['hint'] }
    }
    default: throw new ServerError('CommandNotFound', `Explain failed due to unknown command: ${name}`)
  }
}

function stages (command: Document, query: Query, scan: Document, sorted: boolean): Document {
  let stage = scan
  if (!sorted) stage = { stage: 'SORT', sortPattern: query.sort, memLimit: 104857600, type: 'simple', inputStage: stage }
  if (query.limit !== undefined && query.limit !== 0 && sorted) stage = { stage: 'LIMIT', limitAmount: query.limit, inputStage: stage }
  const projected = command['projection']
  if (isDocument(projected) && Object.keys(projected).length > 0) stage = { stage: 'PROJECTION_SIMPLE', transformBy: projected, inputStage: stage }
  const name = { count: 'COUNT', update: 'UPDATE', delete: 'DELETE' }[Object.keys(command)[0] ?? '']
  return name === undefined ? stage : { stage: name, inputStage: stage }
}

export const explain: Command = (command, context) => {
  const explained = documentField(command, 'explain')
  const query = queryOf(explained)
  const namespace = `${context.database}.${collectionName(explained)}`
  const given = matchContext(explained, context)
  const collection = context.catalog.find(context.database, collectionName(explained))
  const planner = { plannerVersion: 1, namespace, parsedQuery: query.filter, indexFilterSet: false, rejectedPlans: [] }
  if (collection === undefined) return { explainVersion: '1', queryPlanner: { ...planner, winningPlan: { stage: 'EOF' } }, command: explained, ok: 1 }
  const sort = sortSpec(query.sort)
  const chosen = plan(collection, query.filter, sort, hinted(collection, query.hint))
  const sorted = sort === undefined || chosen.stage === 'IDHACK' || (chosen.stage !== 'OR' && chosen.sorted)
  const answer: Document = {
    explainVersion: '1',
    queryPlanner: { ...planner, winningPlan: stages(explained, query, describe(chosen), sorted) },
    command: explained,
    serverInfo: { host: '127.0.0.1', version: '7.0.14' },
    ok: 1
  }
  const verbosity = command['verbosity'] ?? 'allPlansExecution'
  if (verbosity !== 'queryPlanner') {
    const examined: Examined = { keys: 0, documents: 0 }
    const { records } = select(collection, query, given, examined)
    answer['executionStats'] = { executionSuccess: true, nReturned: records.length, executionTimeMillis: 0, totalKeysExamined: examined.keys, totalDocsExamined: examined.documents }
  }
  return answer
}
