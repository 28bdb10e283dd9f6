import mongoose, { type mongo } from 'mongoose'
import { errors } from '../errors.js'
import type { LogQuery } from './audit-log.js'
import type { LogDocument } from './seal.js'

/** An entry's `at` may be older than its id (delivered late), and no younger than this many milliseconds after it (clocks differ). */
const skew = 600_000
const hexId = /^[0-9a-f]{24}$/

/**
 * The filter of a page, newest first by `_id`. Every value is checked to be what it says, so that no operator gets in.
 * @throws DWA_LOG_INVALID_QUERY
 */
export function pageFilter (query: LogQuery): { filter: mongo.Filter<LogDocument>, limit: number } {
  const limit = query.limit ?? 100
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new errors.DWA_LOG_INVALID_QUERY('limit', 'must be an integer from 1 to 1000')
  const parts: Array<mongo.Filter<LogDocument>> = []
  if (query.event !== undefined) parts.push({ event: eventFilter(query.event) })
  if (query.areas !== undefined) parts.push(areasFilter(query.areas))
  if (query.target !== undefined) parts.push(targetFilter(query.target))
  if (query.from !== undefined) {
    const from = dateIn('from', query.from)
    parts.push({ at: { $gte: from } }, { _id: { $gte: mongoose.mongo.ObjectId.createFromTime(Math.max(0, Math.floor((from.getTime() - skew) / 1000))) } })
  }
  if (query.to !== undefined) parts.push({ at: { $lte: dateIn('to', query.to) } })
  if (query.after !== undefined) parts.push({ _id: { $lt: readEntryId('after', query.after) } })
  return { filter: parts.length === 0 ? {} : { $and: parts }, limit }
}

/** @throws DWA_LOG_INVALID_QUERY */
export function readEntryId (field: string, value: unknown): mongo.ObjectId {
  if (typeof value !== 'string' || !hexId.test(value)) throw new errors.DWA_LOG_INVALID_QUERY(field, 'must be the id of an entry')
  return mongoose.mongo.ObjectId.createFromHexString(value)
}

function eventFilter (event: unknown): string | { $gte: string, $lt: string } {
  if (typeof event !== 'string') throw new errors.DWA_LOG_INVALID_QUERY('event', 'must be a string')
  return event.endsWith('.*') ? areaFilter(event.slice(0, -2)) : event
}

function areaFilter (area: string): { $gte: string, $lt: string } {
  return { $gte: `${area}.`, $lt: `${area}/` } // "/" follows "."
}

function areasFilter (areas: unknown): mongo.Filter<LogDocument> {
  if (!Array.isArray(areas) || areas.length === 0 || !areas.every((area) => typeof area === 'string')) throw new errors.DWA_LOG_INVALID_QUERY('areas', 'must be a list of names')
  return { $or: areas.map((area) => ({ event: areaFilter(area) })) }
}

function targetFilter (target: unknown): mongo.Filter<LogDocument> {
  if (typeof target !== 'string') throw new errors.DWA_LOG_INVALID_QUERY('target', 'must be a string')
  return { $or: [{ 'target.id': target }, { 'target.name': target }] }
}

function dateIn (field: string, value: unknown): Date {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw new errors.DWA_LOG_INVALID_QUERY(field, 'must be a valid Date')
  return value
}
