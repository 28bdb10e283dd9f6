import { Aggregator } from 'mingo/aggregator'
import { Context } from 'mingo/core'
import * as stages from 'mingo/operators/pipeline'
import * as windows from 'mingo/operators/window'
import type { Options } from 'mingo/types'
import { Lazy } from 'mingo/lazy'
import { isDocument, type Document } from './document.js'
import { ServerError } from './errors.js'
import { expressionContext, expressionError, optionsOf, plainDocument, prepare, type ExpressionContext } from './expression.js'
import { compile } from './matcher.js'
import { projection } from './projection.js'
import { sortBy, sortSpec } from './sort.js'

/** What stages need besides their documents. `collection` gives another collection's documents by name. */
export interface PipelineContext extends ExpressionContext { collection: (name: string) => Document[] }

type Stage = (collection: ReturnType<typeof Lazy>, expression: unknown, options: Options) => ReturnType<typeof Lazy>

/** `$match`, `$project` and `$sort` by the server's own rules, everything else by mingo. */
const own = (now: Date): Record<`$${string}`, Stage> => ({
  $match: (documents, filter, options) => {
    const matches = compile(isDocument(filter) ? filter : {}, { now, variables: { ...options.variables } })
    return documents.filter((document: unknown) => isDocument(document) && matches(document))
  },
  $project: (documents, spec, options) => {
    const project = projection(spec, undefined, { now, variables: { ...options.variables } })
    if (project === undefined) throw new ServerError(51272, 'Invalid $project :: caused by :: projection specification must have at least one field')
    return documents.map((document: unknown) => isDocument(document) ? project(document) : document)
  },
  $sort: (documents, sort) => Lazy(sortBy(documents.collect<Document>(), sortSpec(sort) ?? [], (document) => document))
})

const others = Context.init().addPipelineOps(stages).addWindowOps(windows)

/** Runs stages over documents, which must be plain and not be shared. */
export function runStages (documents: Document[], pipeline: unknown[], given: PipelineContext): Document[] {
  const prepared = pipeline.map((stage) => {
    if (!isDocument(stage)) throw new ServerError('TypeMismatch', "Each element of the 'pipeline' array must be an object")
    const name = Object.keys(stage)[0] ?? ''
    const ready = name === '$match' ? stage : prepare(stage, given.now)
    return isDocument(ready) ? ready : stage
  })
  try {
    return new Aggregator(prepared, {
      ...optionsOf(given),
      context: Context.from(Context.init().addPipelineOps(own(given.now)), expressionContext, others),
      collectionResolver: (name) => given.collection(name).map(plainDocument)
    }).run<Document>(documents)
  } catch (error) {
    throw expressionError(error)
  }
}
