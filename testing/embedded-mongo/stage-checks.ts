import * as accumulators from 'mingo/operators/accumulator'
import * as stages from 'mingo/operators/pipeline'
import { isDocument, toNumber, type Document } from './document.js'
import { ServerError } from './errors.js'

const SOURCES = new Set(['$collStats', '$indexStats'])

function whole (value: unknown): number | undefined {
  const number = toNumber(value)
  return number !== undefined && Number.isInteger(number) && number >= 0 ? number : undefined
}

/** What is wrong with a stage's specification, as a server says it. mingo would take these for something else. */
const checks: Record<string, (spec: unknown) => ServerError | undefined> = {
  $match: (spec) => isDocument(spec) ? undefined : new ServerError(15959, 'the match filter must be an expression in an object'),
  $limit: (spec) => {
    const limit = whole(spec)
    if (limit === undefined) return new ServerError(5107201, `invalid argument to $limit stage: Expected a non-negative number in: $limit: ${String(spec)}`)
    return limit === 0 ? new ServerError(15958, 'the limit must be positive') : undefined
  },
  $skip: (spec) => whole(spec) === undefined ? new ServerError(5107200, `invalid argument to $skip stage: Expected a non-negative number in: $skip: ${String(spec)}`) : undefined,
  $sort: (spec) => {
    if (!isDocument(spec)) return new ServerError(15973, 'the $sort key specification must be an object')
    return Object.keys(spec).length === 0 ? new ServerError(15976, '$sort stage must have at least one sort key') : undefined
  },
  $group: (spec) => {
    if (!isDocument(spec)) return new ServerError(15947, "a group's fields must be specified in an object")
    if (!Object.hasOwn(spec, '_id')) return new ServerError(15955, 'a group specification must include an _id')
    for (const [name, accumulator] of Object.entries(spec)) {
      if (name === '_id') continue
      const operator = isDocument(accumulator) ? Object.keys(accumulator)[0] : undefined
      if (operator === undefined || !operator.startsWith('$')) return new ServerError(40234, `The field '${name}' must be an accumulator object`)
      if (!Object.hasOwn(accumulators, operator)) return new ServerError(15952, `unknown group operator '${operator}'`)
    }
    return undefined
  },
  $unwind: (spec) => {
    const path = isDocument(spec) ? spec['path'] : spec
    if (typeof path !== 'string') return new ServerError(28812, 'no path specified to $unwind stage')
    return path.startsWith('$') ? undefined : new ServerError(28818, `path option to $unwind stage should be prefixed with a '$': "${path}"`)
  },
  $count: (spec) => {
    if (typeof spec !== 'string' || spec === '') return new ServerError(40157, 'the count field must be a non-empty string')
    if (spec.startsWith('$')) return new ServerError(40158, 'the count field cannot be a $-prefixed path')
    return spec.includes('.') ? new ServerError(40160, "the count field cannot contain '.'") : undefined
  },
  $project: (spec) => isDocument(spec) ? undefined : new ServerError(15969, '$project specification must be an object'),
  $addFields: (spec) => isDocument(spec) ? undefined : new ServerError(40272, '$addFields specification stage must be an object'),
  $set: (spec) => isDocument(spec) ? undefined : new ServerError(40272, '$set specification stage must be an object'),
  $unset: (spec) => {
    if (typeof spec !== 'string' && !Array.isArray(spec)) return new ServerError(31002, '$unset specification must be a string or an array')
    return spec === '' ? new ServerError(40352, 'Invalid $unset :: caused by :: FieldPath cannot be constructed with empty string') : undefined
  },
  $facet: (spec) => {
    if (!isDocument(spec) || Object.keys(spec).length === 0) return new ServerError(40169, 'the $facet specification must be a non-empty object')
    for (const pipeline of Object.values(spec)) {
      if (!Array.isArray(pipeline)) return new ServerError(40170, 'arguments to $facet must be arrays')
      checkStages(pipeline.filter(isDocument))
    }
    return undefined
  }
}

/** Throws for a pipeline that a server would refuse. */
export function checkStages (pipeline: Document[]): void {
  for (const [i, stage] of pipeline.entries()) {
    const [name = '', ...others] = Object.keys(stage)
    if (name === '' || others.length > 0) throw new ServerError(40323, 'A pipeline stage specification object must contain exactly one field.')
    if (SOURCES.has(name)) {
      if (i > 0) throw new ServerError(40602, `${name} is only valid as the first stage in a pipeline`)
      continue
    }
    if (!Object.hasOwn(stages, name)) throw new ServerError(40324, `Unrecognized pipeline stage name: '${name}'`)
    const wrong = checks[name]?.(stage[name])
    if (wrong !== undefined) throw wrong
  }
}
