import { errors } from '../../errors.js'
import type { QueryParameters } from '../../connectors/target.js'
import type { CallOptions, DocuWareObject } from './docuware-client.js'
import { searchDate } from './docuware-date.js'

/** Text is DocuWare's search syntax: `*` and `?` stand for others, a backslash before `(` and `)` takes their meaning away. Dates are written by searchDate. */
export type SearchValue = string | number | Date

/** One condition on an index field, by its database name: a value, or a range that is open where an end is left out. */
export type SearchCondition =
  | { readonly field: string, readonly value: SearchValue }
  | { readonly field: string, readonly from?: SearchValue, readonly to?: SearchValue }

export interface DocumentQuery extends CallOptions {
  /** Documents a page, 1 to 10 000: what is in memory at a time. Default 1000. */
  readonly pageSize?: number
  /** How many documents to skip. Default 0. */
  readonly start?: number
  /** Index fields to get beside those of the result list. */
  readonly fields?: readonly string[]
  readonly sort?: ReadonlyArray<{ readonly field: string, readonly direction?: 'Asc' | 'Desc' }>
  /** The search dialog to use. */
  readonly dialogId?: string
  readonly conditions?: readonly SearchCondition[]
  /** How conditions go together. Default `And`. */
  readonly operation?: 'And' | 'Or'
}

/** What the pages are asked for with. */
export interface DocumentRequest {
  readonly query: QueryParameters
  /** The dialog expression of a search; null for a plain list. */
  readonly expression: DocuWareObject | null
  readonly options: CallOptions
}

/** @throws DWA_DOCUWARE_INVALID_REQUEST */
export function documentRequest (query: DocumentQuery): DocumentRequest {
  const { pageSize = 1000, start = 0, fields = [], sort = [], dialogId, conditions, operation = 'And', ...options } = query
  // DocuWare answers 422 to more than 10 000.
  if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > 10_000) throw new errors.DWA_DOCUWARE_INVALID_REQUEST('pageSize must be a whole number from 1 to 10000')
  if (!Number.isInteger(start) || start < 0) throw new errors.DWA_DOCUWARE_INVALID_REQUEST('start must be a whole number and not negative')
  const paging = { count: pageSize, start, fields: fields.length === 0 ? undefined : fields.join(',') }
  const order = sort.map(({ field, direction = 'Asc' }) => ({ Field: field, Direction: direction }))
  if (conditions === undefined && dialogId === undefined) {
    return { options, expression: null, query: { ...paging, sortOrder: order.length === 0 ? undefined : order.map(({ Field, Direction }) => `${Field} ${Direction}`).join(',') } }
  }
  return {
    options,
    expression: { Condition: (conditions ?? []).map(condition), Operation: operation, ...(order.length === 0 ? {} : { SortOrder: order }) },
    query: { dialogId, ...paging }
  }
}

function condition (one: SearchCondition): DocuWareObject {
  return { DBName: one.field, Value: 'value' in one ? [written(one.value)] : [written(one.from), written(one.to)] }
}

function written (value: SearchValue | undefined): string | null {
  if (value === undefined) return null
  return value instanceof Date ? searchDate(value) : String(value)
}
