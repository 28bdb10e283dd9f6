import type { SchemaObject } from 'ajv'
import { invalidRequest } from './invalid-request.js'
import type { Page, Query } from './resource.js'

const maxLimit = 200
const defaultLimit = 50

/** What the query of every list may hold. */
export const pageQuery = {
  limit: { type: 'integer', minimum: 1, maximum: maxLimit, default: defaultLimit, description: 'How many at most.' },
  after: { type: 'string', minLength: 1, maxLength: 1024, description: '`next` of the page before.' }
} as const satisfies { readonly [name: string]: SchemaObject }

/** A page's part of the query: how much, and from which position on. @throws DWA_ADMIN_INVALID_REQUEST for a cursor that was never one */
export function readPage ({ limit, after }: Query): { readonly limit: number, readonly after: string | undefined } {
  return { limit: typeof limit === 'number' ? limit : defaultLimit, after: typeof after === 'string' ? readCursor(after) : undefined }
}

/** A position as it is shown: nothing to be read or made up by others. */
export function writeCursor (position: string): string {
  return Buffer.from(position).toString('base64url')
}

function readCursor (cursor: string): string {
  const position = Buffer.from(cursor, 'base64url').toString()
  if (writeCursor(position) !== cursor) throw invalidRequest('after', 'must be "next" of the page before')
  return position
}

/** A page of what `read` reads so many of, from the position on that was asked for. */
export async function pageOf<Item> (limit: number, read: (count: number) => Promise<readonly Item[]>, positionOf: (item: Item) => string): Promise<Page<Item>> {
  const found = await read(limit + 1)
  const items = found.slice(0, limit)
  const last = items.at(-1)
  return { items, next: found.length > limit && last !== undefined ? positionOf(last) : null }
}

/** A page of a list that is short enough to be read as a whole, in the order of the positions; of those alone that have the values of `matching`. */
export async function sliceOf<Item extends object> (all: readonly Item[], limit: number, after: string | undefined, positionOf: (item: Item) => string, matching: Query = {}): Promise<Page<Item>> {
  const matches = (item: Item): boolean => Object.entries(matching).every(([name, value]) => Object.entries(item).some(([member, is]) => member === name && is === value))
  const rest = all.filter((item) => (after === undefined || positionOf(item) > after) && matches(item)).sort((one, other) => positionOf(one) < positionOf(other) ? -1 : 1)
  return await pageOf(limit, async (count) => rest.slice(0, count), positionOf)
}

/** A query without what every list takes: its filters. */
export function filtersOf (query: Query): Query {
  return Object.fromEntries(Object.entries(query).filter(([name]) => !(name in pageQuery)))
}

export function pageSchema (item: SchemaObject): SchemaObject {
  return {
    type: 'object',
    required: ['items', 'next'],
    properties: { items: { type: 'array', items: item }, next: { type: ['string', 'null'], description: '`after` of the next page; null on the last one.' } }
  }
}
