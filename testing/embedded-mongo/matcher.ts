import { Binary, BSONRegExp, getField, isDocument, isNumeric, isTruthy, toNumber, typeOf, type Document } from './document.js'
import { ServerError } from './errors.js'
import { evaluate } from './expression.js'
import { ORDER, compare, equal, orderOf, sortKey } from './ordering.js'
import { someAt } from './paths.js'

export type Matcher = (document: Document) => boolean
type ValueTest = (value: unknown) => boolean

/** What a query may refer to besides the document. */
export interface MatchContext { now: Date, variables: Document }

const bad = (message: string): ServerError => new ServerError('BadValue', message)

const orElement = (test: ValueTest): ValueTest => (value) => test(value) || (Array.isArray(value) && value.some(test))

function comparison (operand: unknown, accept: (order: number) => boolean, orEqual: boolean): ValueTest {
  const group = orderOf(operand)
  if (group === ORDER.null) return orEqual ? equality(operand) : () => false
  const any = group === ORDER.minKey || group === ORDER.maxKey
  const isNaNOperand = Number.isNaN(toNumber(operand) ?? 0)
  return orElement((value) => {
    if (value === undefined || (!any && orderOf(value) !== group)) return false
    if (group === ORDER.number && (isNaNOperand || Number.isNaN(toNumber(value) ?? 0))) return orEqual && equal(value, operand)
    return accept(compare(value, operand))
  })
}

/** Compiles a BSON regular expression. PCRE's `x`, `s`, `i`, `m` and a leading `(?i)` are understood. */
export function regularExpression (pattern: string, options: string): RegExp {
  let flags = ''
  for (const option of options) {
    if (option === 'x') pattern = pattern.replace(/\\.|\[(?:\\.|[^\]])*\]|\s+|#.*$/gm, (token) => /^[\s#]/.test(token) ? '' : token)
    else if ('ims'.includes(option)) flags += flags.includes(option) ? '' : option
    else if (option !== 'u') throw new ServerError(51108, `invalid flag in regex options: ${option}`)
  }
  const inline = /^\(\?([ims]+)\)/.exec(pattern)
  if (inline !== null) {
    for (const flag of inline[1] ?? '') flags += flags.includes(flag) ? '' : flag
    pattern = pattern.slice(inline[0].length)
  }
  try {
    return new RegExp(pattern, flags + 'u')
  } catch {
    try {
      return new RegExp(pattern, flags)
    } catch (error) {
      throw new ServerError(51091, `Regular expression is invalid: ${error instanceof Error ? error.message : pattern}`)
    }
  }
}

function regexTest (operand: BSONRegExp): ValueTest {
  const expression = regularExpression(operand.pattern, operand.options)
  return orElement((value) => typeof value === 'string' ? expression.test(value) : value instanceof BSONRegExp && equal(value, operand))
}

function equality (operand: unknown): ValueTest {
  if (operand === null || operand === undefined) return orElement((value) => value === undefined || value === null)
  return orElement((value) => equal(value, operand))
}

function list (operand: unknown, name: string): unknown[] {
  if (!Array.isArray(operand)) throw bad(`${name} needs an array`)
  return operand
}

function inTest (operand: unknown, name: string): ValueTest {
  const values = list(operand, name)
  if (values.some((value) => isDocument(value) && Object.keys(value)[0]?.startsWith('$') === true)) throw bad(`cannot nest $ under ${name}`)
  const expressions = values.filter((value) => value instanceof BSONRegExp).map(regexTest)
  const keys = new Set(values.filter((value) => !(value instanceof BSONRegExp)).map(sortKey)) // a look-up, however many there are
  const isOne = orElement((value) => keys.has(sortKey(value)))
  return (value) => isOne(value) || expressions.some((test) => test(value))
}

function integer (operand: unknown, message: string): number {
  const number = toNumber(operand)
  if (number === undefined || !Number.isInteger(number)) throw bad(message)
  return number
}

function typeTest (operand: unknown): ValueTest {
  const accepted = (Array.isArray(operand) ? operand : [operand]).map((type: unknown): ((value: unknown) => boolean) => {
    if (type === 'number') return isNumeric
    const number = toNumber(type)
    if (number !== undefined && !TYPE_NUMBERS.has(number)) throw bad(`Invalid numerical type code: ${number}`)
    if (typeof type === 'string' ? !TYPE_ALIASES.has(type) : number === undefined) throw bad(`Unknown type name alias: ${String(type)}`)
    return (value) => value !== undefined && (number === undefined ? typeOf(value)[1] === type : typeOf(value)[0] === number)
  })
  return orElement((value) => accepted.some((accept) => accept(value)))
}

const TYPE_NUMBERS = new Set([-1, ...Array(20).keys(), 127].filter((number) => number !== 0))
const TYPE_ALIASES = new Set(['double', 'string', 'object', 'array', 'binData', 'undefined', 'objectId', 'bool', 'date', 'null', 'regex', 'dbPointer',
  'javascript', 'symbol', 'javascriptWithScope', 'int', 'timestamp', 'long', 'decimal', 'minKey', 'maxKey', 'number'])

function modTest (operand: unknown): ValueTest {
  const [divisor, remainder] = list(operand, '$mod').map((part) => Math.trunc(toNumber(part) ?? NaN))
  if (divisor === undefined || remainder === undefined) throw bad('malformed mod, not enough elements')
  if (divisor === 0) throw bad('divisor cannot be 0')
  return orElement((value) => {
    const number = toNumber(value)
    return number !== undefined && Number.isFinite(number) && Math.trunc(number) % divisor === remainder
  })
}

function bitTest (operand: unknown, accept: (set: boolean[]) => boolean): ValueTest {
  const number = toNumber(operand)
  if (number !== undefined && number < 0) throw new ServerError('FailedToParse', `Expected a non-negative number in: ${number}`)
  const positions = Array.isArray(operand)
    ? operand.map((position) => integer(position, 'bit positions must be integers'))
    : operand instanceof Binary
      ? [...Array(operand.position * 8).keys()].filter((bit) => ((operand.buffer[bit >> 3] ?? 0) >> (bit & 7) & 1) === 1)
      : [...Array(63).keys()].filter((bit) => (BigInt(integer(number, 'takes an Array, a number, or a BinData')) >> BigInt(bit) & 1n) === 1n)
  return orElement((value) => {
    if (value instanceof Binary) return accept(positions.map((bit) => ((value.buffer[bit >> 3] ?? 0) >> (bit & 7) & 1) === 1))
    const subject = toNumber(value)
    if (subject === undefined || !Number.isInteger(subject)) return false
    const bits = typeof value === 'bigint' ? value : BigInt(subject)
    return accept(positions.map((bit) => (bits >> BigInt(bit) & 1n) === 1n))
  })
}

function elemMatch (operand: unknown, context: MatchContext): ValueTest {
  if (!isDocument(operand)) throw bad('$elemMatch needs an Object')
  const first = Object.keys(operand)[0]
  if (first !== undefined && first.startsWith('$') && !LOGICAL.has(first)) {
    const test = valueTest(operand, context)
    return (value) => Array.isArray(value) && value.some((item) => test(item))
  }
  const matches = compile(operand, context)
  return (value) => Array.isArray(value) && value.some((item) => {
    if (Array.isArray(item)) return matches({ ...item })
    return isDocument(item) && matches(item)
  })
}

function allTest (operand: unknown, context: MatchContext): ValueTest {
  const values = list(operand, '$all')
  if (values.length === 0) return () => false
  const tests = values.map((value) => {
    if (isDocument(value) && Object.hasOwn(value, '$elemMatch')) return elemMatch(value['$elemMatch'], context)
    return value instanceof BSONRegExp ? regexTest(value) : equality(value)
  })
  return (value) => tests.every((test) => test(value))
}

/** The test of one operator on the value at a path. The negated ones are true where no value passes. */
function operatorTest (name: string, operand: unknown, siblings: Document, context: MatchContext): { test: ValueTest, negated: boolean } | undefined {
  const positive = (test: ValueTest): { test: ValueTest, negated: boolean } => ({ test, negated: false })
  const negative = (test: ValueTest): { test: ValueTest, negated: boolean } => ({ test, negated: true })
  switch (name) {
    case '$eq': return positive(operand instanceof BSONRegExp ? orElement((value) => equal(value, operand)) : equality(operand))
    case '$ne':
      if (operand instanceof BSONRegExp) throw bad("Can't have regex as arg to $ne.")
      return negative(equality(operand))
    case '$gt': return positive(comparison(operand, (order) => order > 0, false))
    case '$gte': return positive(comparison(operand, (order) => order >= 0, true))
    case '$lt': return positive(comparison(operand, (order) => order < 0, false))
    case '$lte': return positive(comparison(operand, (order) => order <= 0, true))
    case '$in': return positive(inTest(operand, name))
    case '$nin': return negative(inTest(operand, name))
    case '$exists': return isTruthy(operand) ? positive((value) => value !== undefined) : negative((value) => value !== undefined)
    case '$type': return positive(typeTest(operand))
    case '$size': {
      const size = integer(operand, `Failed to parse $size. Expected an integer in: $size: ${JSON.stringify(operand)}`)
      if (size < 0) throw bad(`Failed to parse $size. Expected a non-negative number in: $size: ${size}`)
      return positive((value) => Array.isArray(value) && value.length === size)
    }
    case '$mod': return positive(modTest(operand))
    case '$all': return positive(allTest(operand, context))
    case '$elemMatch': return positive(elemMatch(operand, context))
    case '$bitsAllSet': return positive(bitTest(operand, (set) => set.every(Boolean)))
    case '$bitsAnySet': return positive(bitTest(operand, (set) => set.some(Boolean)))
    case '$bitsAllClear': return positive(bitTest(operand, (set) => !set.some(Boolean)))
    case '$bitsAnyClear': return positive(bitTest(operand, (set) => !set.every(Boolean)))
    case '$not':
      if (operand instanceof BSONRegExp) return negative(regexTest(operand))
      if (!isDocument(operand)) throw bad('$not needs a regex or a document')
      if (Object.keys(operand).length === 0) throw bad('$not cannot be empty')
      return negative(valueTest(operand, context))
    case '$regex': {
      const options = siblings['$options']
      if (operand instanceof BSONRegExp) return positive(regexTest(typeof options === 'string' ? new BSONRegExp(operand.pattern, options) : operand))
      if (typeof operand !== 'string') throw bad('$regex has to be a string')
      return positive(regexTest(new BSONRegExp(operand, typeof options === 'string' ? options : '')))
    }
    case '$options':
      if (!Object.hasOwn(siblings, '$regex')) throw bad('$options needs a $regex')
      return undefined
    case '$comment': return undefined
    default: throw bad(`unknown operator: ${name}`)
  }
}

function valueTest (operators: Document, context: MatchContext): ValueTest {
  const tests = Object.keys(operators).flatMap((name) => operatorTest(name, operators[name], operators, context) ?? [])
  return (value) => tests.every(({ test, negated }) => test(value) !== negated)
}

/** True for `{ $gt: 1 }`: a document of operators rather than a value. */
export function isOperators (value: unknown): value is Document {
  if (!isDocument(value)) return false
  const first = Object.keys(value)[0]
  return first !== undefined && first.startsWith('$') && first !== '$ref' && first !== '$id' && first !== '$db'
}

function fieldMatcher (path: string, condition: unknown, context: MatchContext): Matcher {
  const parts = path.split('.')
  const only = parts.length === 1 ? path : undefined
  const apply = (test: ValueTest): Matcher => only === undefined
    ? (document) => someAt(document, parts, test)
    : (document) => test(getField(document, only))
  if (condition instanceof BSONRegExp) return apply(regexTest(condition))
  if (!isOperators(condition)) return apply(equality(condition))
  const matchers = Object.keys(condition).flatMap((name) => {
    if (!name.startsWith('$')) throw bad(`unknown operator: ${name}`)
    const compiled = operatorTest(name, condition[name], condition, context)
    if (compiled === undefined) return []
    const matches = apply(compiled.test)
    return [compiled.negated ? (document: Document) => !matches(document) : matches]
  })
  const [single] = matchers
  return matchers.length === 1 && single !== undefined ? single : (document) => matchers.every((matches) => matches(document))
}

const LOGICAL = new Set(['$and', '$or', '$nor'])

function logical (name: string, operand: unknown, context: MatchContext): Matcher {
  if (!Array.isArray(operand)) throw bad(`${name} must be an array`)
  if (operand.length === 0) throw bad(`${name} must be a nonempty array`)
  const matchers = operand.map((part: unknown) => {
    if (!isDocument(part)) throw bad(`${name} entries need to be full objects`)
    return compile(part, context)
  })
  if (name === '$and') return (document) => matchers.every((matches) => matches(document))
  if (name === '$or') return (document) => matchers.some((matches) => matches(document))
  return (document) => !matchers.some((matches) => matches(document))
}

/** Compiles a query filter. Throws BadValue for what is not one. */
export function compile (filter: Document, context: MatchContext): Matcher {
  const matchers = Object.keys(filter).flatMap((name): Matcher[] => {
    const operand = filter[name]
    if (LOGICAL.has(name)) return [logical(name, operand, context)]
    if (name === '$comment') return []
    if (name === '$expr') return [(document) => isTruthy(evaluate(operand, document, context))]
    if (name === '$alwaysTrue') return []
    if (name === '$alwaysFalse') return [() => false]
    if (name.startsWith('$')) throw bad(`unknown top level operator: ${name}. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.`)
    return [fieldMatcher(name, operand, context)]
  })
  const [single] = matchers
  return matchers.length === 1 && single !== undefined ? single : (document) => matchers.every((matches) => matches(document))
}
