import { errors } from '../../errors.js'
import { readQuery } from '../query.js'
import type { Answer, JsonObject, Operation, Resource } from '../resource.js'
import type { Visit } from './console-route.js'

/** Finds an operation of the table: what the pages do, the API does. @throws DWA_ADMIN_UNKNOWN_ROUTE */
export function operationOf ({ operations }: Pick<Resource, 'operations'>, id: string): Operation {
  const found = operations.find((operation) => operation.id === id)
  if (found === undefined) throw new errors.DWA_ADMIN_UNKNOWN_ROUTE()
  return found
}

/** The same by method and path. @throws DWA_ADMIN_UNKNOWN_ROUTE */
export function operationAt ({ operations }: Pick<Resource, 'operations'>, method: Operation['method'], path: string): Operation {
  return operationOf({ operations }, operations.find((operation) => operation.method === method && operation.path === path)?.id ?? '')
}

/** Runs an operation for a person, who may do it by the roles of the page. */
export async function perform (visit: Visit, operation: Operation, { key = visit.key, query = {}, body = {}, etag }: { readonly key?: string, readonly query?: object, readonly body?: JsonObject, readonly etag?: string | undefined } = {}): Promise<Answer> {
  return await operation.run({
    key,
    query: readQuery(operation.query ?? {}, query),
    body,
    ifMatch: etag,
    ifNoneMatch: undefined,
    lastEventId: undefined,
    roles: visit.person.roles,
    mayStill: async () => false, // pages stay open for nobody
    note: visit.note
  })
}

/** The items of a list, and where it goes on. */
export function pageIn ({ body, next = null }: Answer): { readonly items: readonly object[], readonly next: string | null } {
  const items: unknown = Object(body)['items']
  return { items: Array.isArray(items) ? items.filter((item): item is object => typeof item === 'object' && item !== null) : [], next }
}
