import type { SchemaObject } from 'ajv'
import { findDisagreement } from '../schema-check.js'
import { invalidRequest } from './invalid-request.js'
import type { JsonObject } from './resource.js'

/** What was sent, if it is an object at all. @throws DWA_ADMIN_INVALID_REQUEST */
export function readObject (body: unknown): JsonObject {
  if (!isObject(body)) throw invalidRequest('', 'The body must be a JSON object')
  return body
}

/** What was sent to something that has no schema of its own further in. @throws DWA_ADMIN_INVALID_REQUEST with `field` */
export function readBody (schema: SchemaObject, body: JsonObject): JsonObject {
  const found = findDisagreement(schema, body)
  if (found !== null) throw invalidRequest(found.path, found.problem === 'unknown option' ? 'unknown field' : found.problem)
  return body
}

function isObject (value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
