import { fieldDefinition, readFieldValue, readIsoDate, type FieldDefinition, type FieldValue } from './document-fields.js'
import { listDocuments, readPage, readSortOrder, type PageRequest, type Selection } from './document-list.js'
import type { Answer, Received } from './exchange.js'
import type { FileCabinet } from './file-cabinets.js'
import { isObject, member, parseJson, platformFailure, readJsonObject, type JsonObject } from './platform-answer.js'
import type { Tenant } from './tenant.js'

type Test = (value: FieldValue) => boolean

interface Condition { readonly field: string, readonly test: Test }

/** `/Query/DialogExpression`: POST asks, and the `next` link asks on by GET with the same expression in its query. */
export async function dialogExpression (tenant: Tenant, received: Received, cabinet: FileCabinet, path: string): Promise<Answer> {
  const query = Object.fromEntries(received.url.searchParams)
  const posted = received.method === 'POST' ? await readJsonObject(tenant, received) : null
  const asked = posted ?? parseJson(Buffer.from(query['expression'] ?? '', 'base64url').toString('utf8'))
  if (!isObject(asked)) throw platformFailure(tenant, received, 400, 'Missing expression')
  const page = readPage(tenant, received, posted === null ? query : pageOf(posted, query))
  const tests = readConditions(tenant, received, asked)
  const descending = readSortOrder(tenant, received, sortOrder(asked))
  const selection = select(cabinet, tests, String(member(asked, 'Operation') ?? 'And').toLowerCase() === 'or', page, descending)
  const { dialogId } = query
  const repeated = { ...(dialogId === undefined ? {} : { dialogId }), ...(page.fields === null ? {} : { fields: [...page.fields].join(',') }), expression: Buffer.from(JSON.stringify(asked)).toString('base64url') }
  return listDocuments(tenant, received, cabinet, selection, page, path, repeated)
}

function pageOf (posted: JsonObject, query: { readonly [name: string]: string }): { readonly [name: string]: string } {
  const start = member(posted, 'Start')
  const count = member(posted, 'Count')
  return { ...query, ...(start === undefined ? {} : { start: String(start) }), ...(count === undefined ? {} : { count: String(count) }) }
}

function sortOrder (asked: JsonObject): string {
  const orders = member(asked, 'SortOrder')
  const [order] = Array.isArray(orders) ? orders : []
  return isObject(order) ? `${String(member(order, 'Field'))} ${String(member(order, 'Direction') ?? 'Asc')}` : ''
}

function readConditions (tenant: Tenant, received: Received, asked: JsonObject): Condition[] {
  const conditions = member(asked, 'Condition') ?? []
  if (!Array.isArray(conditions) || !conditions.every(isObject)) throw platformFailure(tenant, received, 422, 'Condition must be a list of objects')
  return conditions.map((condition) => {
    const name = String(member(condition, 'DBName'))
    const values = member(condition, 'Value')
    const definition = fieldDefinition(name)
    if (definition === undefined) throw platformFailure(tenant, received, 422, `The field ${name} does not exist`)
    const texts = Array.isArray(values) ? values.map(String) : []
    const test = texts.length === 0 ? null : readTest(definition, texts)
    if (test === null) throw platformFailure(tenant, received, 422, `The values of ${name} do not fit its type ${definition.type}; dates are ISO dates`)
    return { field: definition.name, test }
  })
}

/** Text: any of the values, with `*` for anything. Numbers and dates: one value, or from one to another. */
function readTest (definition: FieldDefinition, texts: readonly string[]): Test | null {
  if (definition.type === 'String' || definition.type === 'Memo') {
    const patterns = texts.map((text) => new RegExp(`^${text.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.*')}$`, 'is'))
    return (value) => typeof value === 'string' && patterns.some((pattern) => pattern.test(value))
  }
  const numbers = texts.map((text) => definition.type.startsWith('Date') ? readIsoDate(text) : readFieldValue(definition, text))
  const [from, to = from] = numbers
  if (typeof from !== 'number' || typeof to !== 'number' || numbers.length > 2) return null
  return (value) => typeof value === 'number' && value >= from && value <= to
}

/** One page of the matching documents: all are looked at, and the page's ids kept. */
function select (cabinet: FileCabinet, conditions: readonly Condition[], any: boolean, { start, count }: PageRequest, descending: boolean): Selection {
  const ids: number[] = []
  let total = 0
  for (let index = 0; index < cabinet.total; index++) {
    const id = descending ? cabinet.total - index : index + 1
    const values = cabinet.values(id)
    const holds = ({ field, test }: Condition): boolean => test(values.get(field) ?? null)
    if (!(any && conditions.length > 0 ? conditions.some(holds) : conditions.every(holds))) continue
    if (total >= start && total < start + count) ids.push(id)
    total++
  }
  return { total, ids }
}
