import { BSONRegExp, isDocument, isTruthy, type Document } from './document.js'
import type { Collection, StoredRecord } from './collection.js'
import { component, type Index } from './index-keys.js'
import { isOperators, type Matcher } from './matcher.js'
import { ORDER, orderOf, reversed } from './ordering.js'
import type { SortSpec } from './sort.js'

/** What a filter says about one path: values it may have, bounds, or merely something an index can walk. */
interface Constraint { points: unknown[] | undefined, low: unknown, above: boolean, high: unknown, below: boolean, type: number | undefined, excludesMissing: boolean, operators: string[] }

interface Range { from: string, to: string }

/** How the candidates of a query are found. Every candidate is tested with the whole filter afterwards. */
export type Plan =
  | { stage: 'COLLSCAN', backward: boolean, sorted: boolean }
  | { stage: 'IDHACK', index: Index, ranges: Range[] }
  | { stage: 'IXSCAN', index: Index, ranges: Range[], backward: boolean, sorted: boolean, bounds: Document }
  | { stage: 'OR', branches: Plan[] }

function constrain (constraints: Map<string, Constraint>, path: string, operator: string, operand: unknown): void {
  let constraint = constraints.get(path)
  if (constraint === undefined) {
    constraint = { points: undefined, low: undefined, above: false, high: undefined, below: false, type: undefined, excludesMissing: false, operators: [] }
    constraints.set(path, constraint)
  }
  constraint.operators.push(operator)
  const group = orderOf(operand)
  switch (operator) {
    case '$eq':
      if (Array.isArray(operand)) break
      constraint.points ??= [operand]
      if (operand !== null && operand !== undefined) constraint.excludesMissing = true
      break
    case '$in':
      if (!Array.isArray(operand) || operand.some((value) => Array.isArray(value) || value instanceof BSONRegExp)) break
      if (constraint.points === undefined || constraint.points.length > operand.length) constraint.points = operand
      if (operand.every((value) => value !== null && value !== undefined)) constraint.excludesMissing = true
      break
    case '$gt': case '$gte':
      if (group === ORDER.array || group === ORDER.null || group === ORDER.minKey || group === ORDER.maxKey) break
      constraint.excludesMissing = true
      if (constraint.type !== undefined && constraint.type !== group) break // an array may hold both: one of them narrows the walk, the filter tests the other
      constraint.low = operand
      constraint.above = operator === '$gt'
      constraint.type = group
      break
    case '$lt': case '$lte':
      if (group === ORDER.array || group === ORDER.null || group === ORDER.minKey || group === ORDER.maxKey) break
      constraint.excludesMissing = true
      if (constraint.type !== undefined && constraint.type !== group) break
      constraint.high = operand
      constraint.below = operator === '$lt'
      constraint.type = group
      break
    case '$exists':
      if (isTruthy(operand)) constraint.excludesMissing = true
      break
    case '$regex':
      constraint.excludesMissing = true
      break
  }
}

function read (filter: Document, constraints: Map<string, Constraint>): void {
  for (const [name, condition] of Object.entries(filter)) {
    if (name === '$and' && Array.isArray(condition)) condition.filter(isDocument).forEach((part) => { read(part, constraints) })
    if (name.startsWith('$')) continue
    if (condition instanceof BSONRegExp) constrain(constraints, name, '$regex', condition)
    else if (!isOperators(condition)) constrain(constraints, name, '$eq', condition)
    else for (const [operator, operand] of Object.entries(condition)) constrain(constraints, name, operator, operand)
  }
}

/** True where a filter cannot match a document that a partial index leaves out. */
function implies (constraints: Map<string, Constraint>, filter: Document, partial: Document): boolean {
  return Object.entries(partial).every(([name, wanted]) => {
    if (name === '$and') return Array.isArray(wanted) && wanted.filter(isDocument).every((part) => implies(constraints, filter, part))
    if (name.startsWith('$')) return false
    const constraint = constraints.get(name)
    if (constraint === undefined) return false
    const conditions = isOperators(wanted) ? Object.entries(wanted) : [['$eq', wanted] as const]
    return conditions.every(([operator, operand]) => {
      switch (operator) {
        case '$exists': return isTruthy(operand) && constraint.excludesMissing
        case '$eq': return constraint.points?.every((point) => component(point, 1) === component(operand, 1)) === true
        case '$in': return Array.isArray(operand) && constraint.points?.every((point) => operand.some((value) => component(point, 1) === component(value, 1))) === true
        case '$type': return operand === 'string' && constraint.points?.every((point) => typeof point === 'string') === true
        case '$gt': case '$gte': {
          const least = constraint.points?.map((point) => component(point, 1)).sort()[0] ?? (constraint.low === undefined ? undefined : component(constraint.low, 1))
          if (least === undefined || least.charCodeAt(0) !== orderOf(operand)) return false
          const limit = component(operand, 1)
          return operator === '$gte' || (constraint.points === undefined && constraint.above) ? least >= limit : least > limit
        }
        case '$lt': case '$lte': {
          const most = constraint.points?.map((point) => component(point, 1)).sort().at(-1) ?? (constraint.high === undefined ? undefined : component(constraint.high, 1))
          if (most === undefined || most.charCodeAt(0) !== orderOf(operand)) return false
          const limit = component(operand, 1)
          return operator === '$lte' || (constraint.points === undefined && constraint.below) ? most <= limit : most < limit
        }
        default: return false
      }
    })
  })
}

const AFTER = '\xff'.repeat(16)
const MAX_POINTS = 1000

function rangesOf (index: Index, constraints: Map<string, Constraint>): { ranges: Range[], points: number, ranged: boolean } {
  let prefixes = ['']
  let points = 0
  for (const { path, direction } of index.fields) {
    const constraint = constraints.get(path)
    if (constraint?.points !== undefined && prefixes.length * constraint.points.length <= MAX_POINTS * (prefixes.length > 1 ? 1 : 1000)) {
      const parts = [...new Set(constraint.points.map((point) => component(point, direction)))].sort()
      prefixes = prefixes.flatMap((prefix) => parts.map((part) => prefix + part))
      points++
      continue
    }
    if (constraint === undefined) break
    const { type } = constraint
    const low = constraint.low !== undefined && (!index.multikey || constraint.high === undefined) ? component(constraint.low, 1) + (constraint.above ? AFTER : '') : type === undefined ? '' : String.fromCharCode(type)
    const high = constraint.high !== undefined ? component(constraint.high, 1) + (constraint.below ? '' : AFTER) : type === undefined ? AFTER : String.fromCharCode(type) + AFTER
    const ranges = prefixes.map((prefix) => direction === 1
      ? { from: prefix + low, to: prefix + high }
      : { from: prefix + reversed(high).replace(/\x00{16}$/, ''), to: prefix + reversed(low).replace(/\x00{16}$/, '') + (low.endsWith(AFTER) ? '' : AFTER) }) // eslint-disable-line no-control-regex
    return { ranges, points, ranged: true }
  }
  return { ranges: prefixes.map((prefix) => ({ from: prefix, to: prefix + AFTER })), points, ranged: false }
}

function sortDirection (index: Index, points: number, constraints: Map<string, Constraint>, sort: SortSpec): 'forward' | 'backward' | undefined {
  if (index.multikey) return undefined
  const single = (path: string): boolean => constraints.get(path)?.points?.length === 1
  const wanted = sort.filter(([path]) => !single(path))
  const rest = index.fields.filter(({ path }, i) => !(i < points && single(path)))
  if (wanted.length === 0) return 'forward'
  if (wanted.length > rest.length) return undefined
  const matches = (flip: 1 | -1): boolean => wanted.every(([path, direction], i) => rest[i]?.path === path && rest[i].direction * flip === direction)
  return matches(1) ? 'forward' : matches(-1) ? 'backward' : undefined
}

/** Chooses the index with the most equalities; a tie goes to the one that also sorts, then to a range. */
export function plan (collection: Collection, filter: Document, sort: SortSpec | undefined, hint?: Index | 'natural' | 'backward'): Plan {
  const natural = sort?.length === 1 && sort[0]?.[0] === '$natural' ? sort[0][1] : undefined
  if (natural !== undefined) return { stage: 'COLLSCAN', backward: natural === -1, sorted: true }
  if (hint === 'natural' || hint === 'backward') return { stage: 'COLLSCAN', backward: hint === 'backward', sorted: sort === undefined }
  const constraints = new Map<string, Constraint>()
  read(filter, constraints)
  const id = constraints.get('_id')
  if (hint === undefined && id?.points?.length === 1 && id.operators[0] === '$eq' && Object.keys(filter).length === 1 && collection.indexes[0] !== undefined) {
    return { stage: 'IDHACK', index: collection.indexes[0], ranges: rangesOf(collection.indexes[0], constraints).ranges }
  }
  let best: { plan: Plan, score: number } | undefined
  for (const index of hint === undefined ? collection.indexes : [hint]) {
    if (hint === undefined && index.sparse && !index.fields.some(({ path }) => constraints.get(path)?.excludesMissing === true)) continue
    if (hint === undefined && index.partialFilter !== undefined && !implies(constraints, filter, index.partialFilter)) continue
    const { ranges, points, ranged } = rangesOf(index, constraints)
    const direction = sort === undefined ? undefined : sortDirection(index, points, constraints, sort)
    const sorted = sort === undefined || (direction !== undefined && ranges.length === 1)
    if (hint === undefined && points === 0 && !ranged && (sort === undefined || !sorted)) continue
    const full = index.unique && points === index.fields.length
    const score = points * 8 + (full ? 100 : 0) + (ranged ? 3 : 0) + (sort !== undefined && sorted ? 4 : 0)
    if (best === undefined || score > best.score) {
      const bounds: Document = {}
      for (const { path } of index.fields) bounds[path] = constraints.get(path)?.operators ?? ['[MinKey, MaxKey]']
      best = { score, plan: { stage: 'IXSCAN', index, ranges, backward: direction === 'backward', sorted, bounds } }
    }
  }
  const branches = filter['$or']
  if (Array.isArray(branches) && (best === undefined || best.score < 8)) {
    const plans = branches.filter(isDocument).map((branch) => plan(collection, branch, undefined))
    if (plans.every(({ stage }) => stage !== 'COLLSCAN')) return { stage: 'OR', branches: plans }
  }
  return best?.plan ?? { stage: 'COLLSCAN', backward: false, sorted: sort === undefined }
}

/** Counts of what a plan looked at, for `explain`. */
export interface Examined { keys: number, documents: number }

/** The records a plan finds and the filter accepts, in the plan's order. */
export function * run (collection: Collection, chosen: Plan, matches: Matcher, examined: Examined = { keys: 0, documents: 0 }): Generator<StoredRecord, undefined> {
  if (chosen.stage === 'COLLSCAN') {
    for (const [, record] of chosen.backward ? collection.records.below() : collection.records.from()) {
      examined.documents++
      if (matches(record.document)) yield record
    }
    return
  }
  const seen = chosen.stage === 'OR' || chosen.index.multikey || chosen.ranges.length > 1 ? new Set<number>() : undefined
  for (const id of recordIds(chosen, examined)) {
    if (seen?.has(id) === true) continue
    seen?.add(id)
    const record = collection.records.get(id)
    if (record === undefined) continue
    examined.documents++
    if (matches(record.document)) yield record
  }
}

function * recordIds (chosen: Exclude<Plan, { stage: 'COLLSCAN' }>, examined: Examined): Generator<number, undefined> {
  if (chosen.stage === 'OR') {
    for (const branch of chosen.branches) if (branch.stage !== 'COLLSCAN') yield * recordIds(branch, examined)
    return
  }
  const backward = chosen.stage === 'IXSCAN' && chosen.backward
  for (const { from, to } of backward ? [...chosen.ranges].reverse() : chosen.ranges) {
    for (const [key, id] of backward ? chosen.index.entries.below(to) : chosen.index.entries.from(from)) {
      if (backward ? key < from : key > to) break
      examined.keys++
      yield id
    }
  }
}

/** The plan as `explain` shows it. */
export function describe (chosen: Plan): Document {
  switch (chosen.stage) {
    case 'COLLSCAN': return { stage: 'COLLSCAN', direction: chosen.backward ? 'backward' : 'forward' }
    case 'IDHACK': return { stage: 'IDHACK' }
    case 'OR': return { stage: 'FETCH', inputStage: { stage: 'OR', inputStages: chosen.branches.map((branch) => scanOf(branch)) } }
    case 'IXSCAN': return { stage: 'FETCH', inputStage: scanOf(chosen) }
  }
}

function scanOf (chosen: Plan): Document {
  if (chosen.stage === 'OR') return { stage: 'OR', inputStages: chosen.branches.map(scanOf) }
  if (chosen.stage === 'COLLSCAN') return describe(chosen)
  const { index } = chosen
  return {
    stage: 'IXSCAN',
    keyPattern: index.keyPattern,
    indexName: index.name,
    isMultiKey: index.multikey,
    isUnique: index.unique,
    isSparse: index.sparse,
    isPartial: index.partialFilter !== undefined,
    direction: chosen.stage === 'IXSCAN' && chosen.backward ? 'backward' : 'forward',
    indexBounds: chosen.stage === 'IXSCAN' ? chosen.bounds : { _id: ['$eq'] }
  }
}
