import type { Document } from './document.js'

const CODES = {
  InternalError: 1,
  BadValue: 2,
  UserNotFound: 11,
  Unauthorized: 13,
  TypeMismatch: 14,
  AuthenticationFailed: 18,
  IllegalOperation: 20,
  FailedToParse: 9,
  NamespaceNotFound: 26,
  IndexNotFound: 27,
  PathNotViable: 28,
  RoleNotFound: 31,
  CannotCreateIndex: 67,
  ConflictingUpdateOperators: 40,
  CursorNotFound: 43,
  NamespaceExists: 48,
  IndexAlreadyExists: 68,
  InvalidIndexSpecificationOption: 197,
  Overflow: 15,
  InvalidLength: 16,
  ProtocolError: 17,
  MechanismUnavailable: 334,
  QueryPlanKilled: 175,
  InvalidIdField: 53,
  EmptyFieldName: 56,
  NotSingleValueField: 54,
  UnsupportedOpQueryCommand: 352,
  InvalidPipelineOperator: 168,
  DollarPrefixedFieldName: 52,
  CommandNotFound: 59,
  ImmutableField: 66,
  InvalidOptions: 72,
  InvalidNamespace: 73,
  IndexOptionsConflict: 85,
  IndexKeySpecsConflict: 86,
  CappedPositionLost: 136,
  CannotIndexParallelArrays: 171,
  DuplicateKey: 11000,
  BSONObjectTooLarge: 10334,
  UserExists: 51003,
  RoleExists: 51002,
  NotImplemented: 238,
  ConversionFailure: 241
} as const

/** The names of the server's errors that are raised here. */
export type ErrorName = keyof typeof CODES

/** A command that fails the way a server says it: a number, its name and a sentence. */
export class ServerError extends Error {
  readonly code: number
  readonly codeName: string
  /** Further fields of the answer, such as keyPattern. */
  readonly info: Document

  constructor (name: ErrorName | number, message: string, info: Document = {}) {
    super(message)
    this.name = 'ServerError'
    this.code = typeof name === 'number' ? name : CODES[name]
    this.codeName = typeof name === 'number' ? `Location${name}` : name
    this.info = info
  }
}

/** The failed answer to a whole command. */
export function failure (error: unknown): Document {
  if (error instanceof ServerError) {
    return { ok: 0, errmsg: error.message, code: error.code, codeName: error.codeName, ...error.info }
  }
  return { ok: 0, errmsg: error instanceof Error ? error.message : String(error), code: CODES.InternalError, codeName: 'InternalError' }
}
