import type { SchemaObject } from 'ajv'
import { findDisagreement } from '../schema-check.js'

/** Reads what callers give for records of one kind, and refuses with one kind of error. */
export class RecordInput {
  readonly #noun: string
  readonly #InvalidError: new (message: string) => Error

  /** @param noun what is refused when it is not about a field: `connection` */
  constructor (noun: string, InvalidError: new (message: string) => Error) {
    this.#noun = noun
    this.#InvalidError = InvalidError
  }

  /** Own members only, each read once: what is checked is what is stored. @throws the kind's error, with `field` */
  read<Given extends object> (schema: SchemaObject, given: Given): Given {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) throw this.invalid('', 'must be an object')
    const own = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Given
    const found = findDisagreement(schema, own)
    if (found !== null) throw this.invalid(found.path, found.problem === 'unknown option' ? 'unknown field' : found.problem)
    return own
  }

  /** The error for what stands at `path`: `redirectUris[0]`, or empty for the whole. */
  invalid (path: string, problem: string): Error {
    return Object.assign(new this.#InvalidError(`${path === '' ? this.#noun : path}: ${problem}`), { field: path.split(/[.[]/, 1).at(0) ?? '' })
  }
}

/** A patch's null as what the store takes for "remove the field". */
export function cleared<Given extends object> (given: Given): { [Name in keyof Given]: Exclude<Given[Name], null> | undefined } {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value ?? undefined])) as { [Name in keyof Given]: Exclude<Given[Name], null> | undefined }
}
