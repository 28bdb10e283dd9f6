import type { Catalog } from './catalog.js'
import type { Collection } from './collection.js'
import type { Index } from './index-keys.js'
import { component } from './index-keys.js'
import { ORDER } from './ordering.js'

const FIRST_DATE = String.fromCharCode(ORDER.date)

/** Deletes every document that a TTL index has expired at this time, and answers how many. */
export function expire (catalog: Catalog, now: number): number {
  let deleted = 0
  for (const collections of catalog.databases.values()) {
    for (const collection of collections.values()) {
      if (collection.cap !== undefined) continue
      for (const index of collection.indexes) deleted += expireBy(collection, index, now)
    }
  }
  return deleted
}

function expireBy (collection: Collection, index: Index, now: number): number {
  const [field] = index.fields
  if (index.expireAfterSeconds === undefined || field === undefined) return 0
  const limit = component(new Date(now - index.expireAfterSeconds * 1000), 1)
  const expired = new Set<number>()
  for (const [key, id] of field.direction === 1 ? index.entries.from(FIRST_DATE) : index.entries.from()) {
    if (field.direction === 1 && key.slice(0, limit.length) > limit) break
    if (field.direction === 1 || isExpiredDescending(key, limit)) expired.add(id)
  }
  for (const id of expired) {
    const record = collection.records.get(id)
    if (record !== undefined) collection.remove(record)
  }
  return expired.size
}

function isExpiredDescending (key: string, limit: string): boolean {
  const ascending = Buffer.from(key.slice(0, limit.length), 'latin1').map((byte) => 0xff - byte)
  const text = Buffer.from(ascending).toString('latin1')
  return text.startsWith(FIRST_DATE) && text <= limit
}
