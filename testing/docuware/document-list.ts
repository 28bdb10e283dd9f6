import { jsonDate } from './document-fields.js'
import { platformBase, showDocument } from './documents.js'
import type { Answer, Received } from './exchange.js'
import type { FileCabinet } from './file-cabinets.js'
import { platformFailure, platformRows, type JsonObject } from './platform-answer.js'
import type { Tenant } from './tenant.js'

/** The documents of one page of a list, in its order. */
export interface Selection {
  /** How many documents the whole list has. */
  readonly total: number
  readonly ids: Iterable<number>
}

/** A part of a list. */
export interface PageRequest {
  readonly start: number
  readonly count: number
  readonly fields: ReadonlySet<string> | null
}

const maxCount = 10_000
const defaultCount = 1000

/** `start`, `count` and `fields` of a query. @throws Refusal (422) for more than 10 000 documents a page */
export function readPage (tenant: Tenant, received: Received, { start = '0', count = String(defaultCount), fields = '' }: { readonly [name: string]: string }): PageRequest {
  const whole = (name: string, text: string, max: number): number => {
    if (/^\d{1,9}$/.test(text) && Number(text) <= max) return Number(text)
    throw platformFailure(tenant, received, 422, `${name} must be a number from 0 to ${max}`)
  }
  return { start: whole('start', start, 999_999_999), count: whole('count', count, maxCount), fields: fields === '' ? null : new Set(fields.toUpperCase().split(',')) }
}

/** One page of all documents of a cabinet, by id. */
export function allDocuments (cabinet: FileCabinet, page: PageRequest, descending: boolean): Selection {
  return { total: cabinet.total, ids: idsOf(cabinet.total, page, descending) }
}

function * idsOf (total: number, { start, count }: PageRequest, descending: boolean): Generator<number> {
  for (let index = start; index < Math.min(start + count, total); index++) yield descending ? total - index : index + 1
}

/** `DWDOCID` or `DWSTOREDATETIME` with `Asc` or `Desc`: true for descending. @throws Refusal (422) for other fields: the simulator keeps no order of those */
export function readSortOrder (tenant: Tenant, received: Received, text: string): boolean {
  if (text !== '' && !/^(DWDOCID|DWSTOREDATETIME)( (Asc|Desc|Default))?$/i.test(text)) throw platformFailure(tenant, received, 422, 'The simulator sorts by DWDOCID and DWSTOREDATETIME only')
  return /desc$/i.test(text)
}

/** One page of a list with its links; `query` are the parameters that the links repeat beside `start` and `count`. */
export function listDocuments (tenant: Tenant, received: Received, cabinet: FileCabinet, selection: Selection, { start, count, fields }: PageRequest, path: string, query: { readonly [name: string]: string }): Answer {
  const hasMore = count > 0 && start + count < selection.total
  const href = (from: number): string => `${platformBase}${path}?${new URLSearchParams({ ...query, start: String(from), count: String(count) })}`
  const links: JsonObject[] = [{ rel: 'self', href: href(start) }, { rel: 'first', href: href(0) }]
  if (start > 0) links.push({ rel: 'prev', href: href(Math.max(0, start - count)) })
  if (hasMore) links.push({ rel: 'next', href: nextLink(tenant, href(start + count)) })
  return platformRows(tenant, received, 'DocumentsQueryResult', {
    Count: { HasMore: hasMore, Value: selection.total },
    FileCabinetId: cabinet.id,
    OrganizationGuid: tenant.organization.guid,
    TimeStamp: jsonDate(tenant.now()),
    Links: links
  }, rows(tenant, cabinet, selection.ids, fields))
}

function * rows (tenant: Tenant, cabinet: FileCabinet, ids: Iterable<number>, fields: ReadonlySet<string> | null): Generator<JsonObject> {
  for (const id of ids) yield showDocument(tenant, cabinet, id, false, fields)
}

function nextLink (tenant: Tenant, path: string): string {
  const { platform, foreign } = tenant.urls()
  switch (tenant.switches.nextLink) {
    case 'path': return path
    case 'url': return new URL(platform).origin + path
    case 'foreign': return foreign + path
  }
}
