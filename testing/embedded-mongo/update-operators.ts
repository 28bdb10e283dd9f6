import { BSONRegExp, Decimal128, Double, Timestamp, clone, double, isDocument, isInt32, isNumeric, toNumber, typeOf, type Document } from './document.js'
import { ServerError } from './errors.js'
import { compile, isOperators, regularExpression, type MatchContext } from './matcher.js'
import { compare, equal } from './ordering.js'
import { show } from './shown-value.js'
import { sortBy, sortSpec } from './sort.js'
import type { Place } from './update-paths.js'

/** What an update operator needs besides its operand. */
export interface OperatorContext extends MatchContext { inserting: boolean, document: Document }

/** Changes the value at one place. */
export type UpdateOperator = (place: Place, operand: unknown, context: OperatorContext) => void

const bad = (message: string): ServerError => new ServerError('BadValue', message)
const idOf = (context: OperatorContext): string => `{_id: ${show(context.document['_id'])}}`
const lastPart = (place: Place): string => place.path.split('.').at(-1) ?? ''

/** Computes with two numbers the way a server does: int32 grows into int64, a double stays one. */
function arithmetic (left: unknown, right: unknown, exact: (a: bigint, b: bigint) => bigint, approximate: (a: number, b: number) => number): unknown {
  if (left instanceof Decimal128 || right instanceof Decimal128) {
    return Decimal128.fromString(String(approximate(toNumber(left) ?? 0, toNumber(right) ?? 0)))
  }
  const integers = (isInt32(left) || typeof left === 'bigint') && (isInt32(right) || typeof right === 'bigint')
  if (!integers) return double(approximate(toNumber(left) ?? 0, toNumber(right) ?? 0))
  const result = exact(BigInt(left), BigInt(right))
  if (BigInt.asIntN(64, result) !== result) throw bad('Failed to apply arithmetic: the result does not fit in 64 bits')
  return isInt32(left) && isInt32(right) && BigInt.asIntN(32, result) === result ? Number(result) : result
}

function arithmeticOperator (verb: string, name: string, exact: (a: bigint, b: bigint) => bigint, approximate: (a: number, b: number) => number, missing: (operand: unknown) => unknown): UpdateOperator {
  return (place, operand, context) => {
    if (!isNumeric(operand)) throw new ServerError('TypeMismatch', `Cannot ${verb} with non-numeric argument: {${place.path}: ${show(operand)}}`)
    const value = place.get()
    if (value === undefined) {
      place.set(missing(operand))
      return
    }
    if (!isNumeric(value)) {
      throw new ServerError('TypeMismatch', `Cannot apply ${name} to a value of non-numeric type. ${idOf(context)} has the field '${lastPart(place)}' of non-numeric type ${typeOf(value)[1]}`)
    }
    place.set(arithmetic(value, operand, exact, approximate))
  }
}

function zeroLike (operand: unknown): unknown {
  if (operand instanceof Decimal128) return Decimal128.fromString('0')
  return typeof operand === 'bigint' ? 0n : isInt32(operand) ? 0 : new Double(0)
}

function arrayAt (place: Place, context: OperatorContext): unknown[] | undefined {
  const value = place.get()
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw bad(`The field '${place.path}' must be an array but is of type ${typeOf(value)[1]} in document ${idOf(context)}`)
  return value
}

const PUSH_MODIFIERS = new Set(['$each', '$slice', '$position', '$sort'])

function push (place: Place, operand: unknown, context: OperatorContext): void {
  const modified = isDocument(operand) && Object.hasOwn(operand, '$each') ? operand : { $each: [operand] }
  const unknown = Object.keys(modified).find((name) => !PUSH_MODIFIERS.has(name))
  if (unknown !== undefined) throw bad(`Unrecognized clause in $push: ${unknown}`)
  const each = modified['$each']
  if (!Array.isArray(each)) throw bad(`The argument to $each in $push must be an array but it was of type ${typeOf(each)[1]}`)
  let array = [...arrayAt(place, context) ?? []]
  const position = modified['$position'] === undefined ? array.length : wholeNumber(modified['$position'], '$position')
  array.splice(position < 0 ? Math.max(0, array.length + position) : position, 0, ...each.map((item) => clone(item)))
  const sort = modified['$sort']
  if (sort !== undefined) {
    const spec = isDocument(sort) ? sortSpec(sort) ?? [] : undefined
    const direction = toNumber(sort) ?? 1
    if (spec === undefined) array.sort((left, right) => compare(left, right) * direction)
    else array = sortBy(array, spec, (item) => isDocument(item) ? item : {})
  }
  const slice = modified['$slice'] === undefined ? undefined : wholeNumber(modified['$slice'], '$slice')
  if (slice !== undefined) array = slice === 0 ? [] : slice < 0 ? array.slice(slice) : array.slice(0, slice)
  place.set(array)
}

function wholeNumber (value: unknown, name: string): number {
  const number = toNumber(value)
  if (number === undefined || !Number.isInteger(number)) throw bad(`The value for ${name} must be an integer value but was given type: ${typeOf(value)[1]}`)
  return number
}

function addToSet (place: Place, operand: unknown, context: OperatorContext): void {
  const many = isDocument(operand) && Object.hasOwn(operand, '$each')
  const items: unknown = many ? operand['$each'] : [operand]
  if (!Array.isArray(items)) throw new ServerError('TypeMismatch', `The argument to $each in $addToSet must be an array but it was of type ${typeOf(items)[1]}`)
  const before = arrayAt(place, context)
  const array = [...before ?? []]
  for (const item of items) if (!array.some((value) => equal(value, item))) array.push(clone(item))
  if (before === undefined || array.length > before.length) place.set(array)
}

/** By their operand, which is one command's: made once for all documents that it updates. */
const pullTests = new WeakMap<object, (item: unknown) => boolean>()

function pullTestFor (operand: unknown, context: OperatorContext): (item: unknown) => boolean {
  if (typeof operand !== 'object' || operand === null) return pullTest(operand, context)
  const made = pullTests.get(operand) ?? pullTest(operand, context)
  pullTests.set(operand, made)
  return made
}

function pullTest (operand: unknown, context: OperatorContext): (item: unknown) => boolean {
  if (operand instanceof BSONRegExp) {
    const expression = regularExpression(operand.pattern, operand.options)
    return (item) => typeof item === 'string' ? expression.test(item) : equal(item, operand)
  }
  if (isOperators(operand)) {
    const first = Object.keys(operand)[0]
    if (first === '$and' || first === '$or' || first === '$nor') {
      const matches = compile(operand, context)
      return (item) => isDocument(item) && matches(item)
    }
    const matches = compile({ item: operand }, context)
    return (item) => matches({ item: Array.isArray(item) ? [item] : item })
  }
  if (isDocument(operand)) {
    const matches = compile(operand, context)
    return (item) => isDocument(item) && matches(item)
  }
  return (item) => equal(item, operand)
}

function removeFrom (place: Place, name: string, remove: (item: unknown) => boolean): void {
  const value = place.get()
  if (value === undefined) return
  if (!Array.isArray(value)) throw bad(`Cannot apply ${name} to a non-array value`)
  const kept = value.filter((item: unknown) => !remove(item))
  if (kept.length < value.length) place.set(kept)
}

function currentDate (place: Place, operand: unknown, context: OperatorContext): void {
  const type = isDocument(operand) ? operand['$type'] : operand
  if (type === 'timestamp') place.set(new Timestamp({ t: Math.floor(context.now.getTime() / 1000), i: 1 }))
  else if (typeof type === 'boolean' || type === 'date') place.set(context.now)
  else throw bad(isDocument(operand) ? "The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {field : {$type: 'date'}}}" : `${typeOf(operand)[1]} is not valid type for $currentDate. Please use a boolean ('true') or a $type expression ({$type: 'timestamp/date'}).`)
}

function bit (place: Place, operand: unknown, context: OperatorContext): void {
  if (!isDocument(operand)) throw bad(`The $bit modifier is not compatible with a ${typeOf(operand)[1]}. You must pass in an embedded document: {$bit: {field: {and/or/xor: #}}`)
  for (const [name, mask] of Object.entries(operand)) {
    const value = place.get() ?? 0
    if (!(isInt32(value) || typeof value === 'bigint')) throw bad(`Cannot apply $bit to a value of non-integral type.${idOf(context)} has the field ${lastPart(place)} of non-integer type ${typeOf(value)[1]}`)
    if (!(isInt32(mask) || typeof mask === 'bigint')) throw bad(`The $bit modifier field must be an Integer(32/64 bit); a '${typeOf(mask)[1]}' is not supported here: {${name}: ${show(mask)}}`)
    const [a, b] = [BigInt(value), BigInt(mask)]
    if (name !== 'and' && name !== 'or' && name !== 'xor') throw bad(`The $bit modifier only supports 'and', 'or', and 'xor', not '${name}' which is an unknown operator: {${name}: ${show(mask)}}`)
    const result = name === 'and' ? a & b : name === 'or' ? a | b : a ^ b
    place.set(typeof value === 'bigint' || typeof mask === 'bigint' ? result : Number(result))
  }
}

/** The update operators by name; `$rename` and the replacement forms are in `update.ts`. */
export const updateOperators: Record<string, UpdateOperator> = {
  $set: (place, operand) => { place.set(clone(operand)) },
  $setOnInsert: (place, operand, { inserting }) => { if (inserting) place.set(clone(operand)) },
  $unset: (place) => { place.unset() },
  $inc: arithmeticOperator('increment', '$inc', (a, b) => a + b, (a, b) => a + b, (operand) => operand),
  $mul: arithmeticOperator('multiply', '$mul', (a, b) => a * b, (a, b) => a * b, zeroLike),
  $min: (place, operand) => {
    const value = place.get()
    if (value === undefined || compare(operand, value) < 0) place.set(clone(operand))
  },
  $max: (place, operand) => {
    const value = place.get()
    if (value === undefined || compare(operand, value) > 0) place.set(clone(operand))
  },
  $push: push,
  $addToSet: addToSet,
  $pull: (place, operand, context) => { removeFrom(place, '$pull', pullTestFor(operand, context)) },
  $pullAll: (place, operand) => {
    if (!Array.isArray(operand)) throw bad(`$pullAll requires an array argument but was given a ${typeOf(operand)[1]}`)
    removeFrom(place, '$pull', (item) => operand.some((value) => equal(value, item)))
  },
  $pop: (place, operand) => {
    const end = toNumber(operand)
    if (end !== 1 && end !== -1) throw new ServerError('FailedToParse', `$pop expects 1 or -1, found: ${show(operand)}`)
    const value = place.get()
    if (value === undefined) return
    if (!Array.isArray(value)) throw new ServerError('TypeMismatch', `Path '${place.path}' contains an element of non-array type '${typeOf(value)[1]}'`)
    place.set(end === 1 ? value.slice(0, -1) : value.slice(1))
  },
  $currentDate: currentDate,
  $bit: bit
}
