import { Context, evalExpr, ProcessingMode } from 'mingo/core'
import * as accumulators from 'mingo/operators/accumulator'
import * as expressions from 'mingo/operators/expression'
import * as projections from 'mingo/operators/projection'
import * as queries from 'mingo/operators/query'
import type { Options } from 'mingo/types'
import { Double, ObjectId, isDocument, setField, typeOf, type Document } from './document.js'
import { ServerError } from './errors.js'
import { compare } from './ordering.js'

/** What an expression may refer to besides the document. */
export interface ExpressionContext { now: Date, variables: Document }

type Operator = (value: unknown, operands: unknown, options: Options) => unknown

function comparing (accept: (order: number) => unknown): Operator {
  return (value, operands, options) => {
    const [left, right] = Array.isArray(operands) ? operands.map((operand) => evalExpr(value, operand, options)) : []
    if (left === undefined || right === undefined) {
      const order = left === right ? 0 : left === undefined ? (right === null ? -1 : compare(left, right) || -1) : (compare(left, right) || 1)
      return accept(order)
    }
    return accept(compare(left, right))
  }
}

const operandOf = (operands: unknown): unknown => Array.isArray(operands) && operands.length === 1 ? operands[0] : operands

/** Operators that depend on BSON's types and their order; mingo has the others. */
const typed: Record<`$${string}`, Operator> = {
  $eq: comparing((order) => order === 0),
  $ne: comparing((order) => order !== 0),
  $gt: comparing((order) => order > 0),
  $gte: comparing((order) => order >= 0),
  $lt: comparing((order) => order < 0),
  $lte: comparing((order) => order <= 0),
  $cmp: comparing((order) => Math.sign(order)),
  $type: (value, operands, options) => {
    const operand = evalExpr(value, operandOf(operands), options)
    return operand === undefined ? 'missing' : typeOf(operand)[1]
  },
  $toString: (value, operands, options) => {
    const operand = evalExpr(value, operandOf(operands), options)
    if (operand instanceof ObjectId) return operand.toHexString()
    return evalExpr(value, { $convert: { input: { $literal: operand }, to: 'string' } }, options)
  },
  $toObjectId: (value, operands, options) => {
    const operand = evalExpr(value, operandOf(operands), options)
    if (operand === null || operand === undefined) return null
    if (operand instanceof ObjectId) return operand
    if (typeof operand === 'string' && ObjectId.isValid(operand)) return ObjectId.createFromHexString(operand)
    throw new ServerError('ConversionFailure', `Failed to parse objectId '${String(operand)}' in $convert with no onError value`)
  }
}

export const expressionContext = Context.init()
  .addExpressionOps(typed)
  .addExpressionOps(expressions)
  .addAccumulatorOps(accumulators)
  .addProjectionOps(projections)
  .addQueryOps(queries)

/** mingo computes with JavaScript numbers: int64 and boxed doubles become such. */
export function toPlain (value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Double) return value.value
  if (Array.isArray(value)) return value.map(toPlain)
  return isDocument(value) ? plainDocument(value) : value
}

/** {@link toPlain} of a document: a copy that shares nothing mutable with it. */
export function plainDocument (document: Document): Document {
  const plain: Document = {}
  for (const name of Object.keys(document)) setField(plain, name, toPlain(document[name]))
  return plain
}

const SCRIPTS = new Set(['$function', '$accumulator', '$where'])

/** Puts the server's time in the place of `$$NOW`, and checks what mingo would take for a value. */
export function prepare (expression: unknown, now: Date): unknown {
  if (expression === '$$NOW') return now
  if (Array.isArray(expression)) return expression.map((part) => prepare(part, now))
  if (!isDocument(expression)) return toPlain(expression)
  const prepared: Document = {}
  for (const name of Object.keys(expression)) {
    if (SCRIPTS.has(name)) throw new ServerError('NotImplemented', `this server runs no scripts: ${name}`)
    if (name.startsWith('$') && Object.keys(expression).length > 1 && Object.hasOwn(expressions, name)) {
      throw new ServerError(15983, `An object representing an expression must have exactly one field: ${JSON.stringify(expression)}`)
    }
    setField(prepared, name, name === '$literal' ? toPlain(expression[name]) : prepare(expression[name], now))
  }
  return prepared
}

export function optionsOf (context: ExpressionContext): Options {
  return {
    idKey: '_id',
    scriptEnabled: true,
    useStrictMode: true,
    failOnError: true,
    processingMode: ProcessingMode.CLONE_OFF,
    variables: plainDocument(context.variables),
    context: expressionContext
  }
}

/** The value of an aggregation expression for a document. */
export function evaluate (expression: unknown, document: Document, context: ExpressionContext): unknown {
  try {
    return evalExpr(plainDocument(document), prepare(expression, context.now), optionsOf(context))
  } catch (error) {
    throw expressionError(error)
  }
}

/** What mingo throws, as a server would answer it. */
export function expressionError (error: unknown): ServerError {
  if (error instanceof ServerError) return error
  const message = error instanceof Error ? error.message : String(error)
  const unknown = /accumulator '(\$[^']*)' is not registered/.exec(message) ?? /unknown (?:query )?operator:? '?(\$\w+)/.exec(message)
  if (unknown !== null) return new ServerError('InvalidPipelineOperator', `Unrecognized expression '${unknown[1] ?? ''}'`)
  if (message.startsWith('unregistered pipeline operator')) return new ServerError(40324, `Unrecognized pipeline stage name: '${message.slice(31, -1)}'`)
  if (message.startsWith('Use of undefined variable')) return new ServerError(17276, message)
  return new ServerError('BadValue', message)
}
