import { fieldDefinition, readFieldValue, readIsoDate, type FieldDefinition, type FieldValue } from './document-fields.js'
import { listDocuments, readPage, readSortOrder, type Selection } from './document-list.js'
import type { Answer, Received } from './exchange.js'
import type { FileCabinet } from './file-cabinets.js'
import { isObject, member, parseJson, platformFailure, readJsonObject, type JsonObject } from './platform-answer.js'
import type { Tenant } from './tenant.js'

type Test = (value: FieldValue) => boolean

/** `/Query/DialogExpression`: POST asks, and the `next` link asks on by GET with the same expression in its query. */
export async function dialogExpression (tenant: Tenant, received: Received, cabinet: FileCabinet, path: string): Promise<Answer> {
  const query = Object.fromEntries(received.url.searchParams)
  const posted = received.method === 'POST' ? await readJsonObject(tenant, received) : null
  const asked = posted ?? parseJson(Buffer.from(query['expression'] ?? '', 'base64url').toString('utf8'))
  if (!isObject(asked)) throw platformFailure(tenant, received, 400, 'Missing expression')
  const page = readPage(tenant, received, posted === null ? query : pageOf(posted, query))
  const tests = readConditions(tenant, received, asked)
  const descending = readSortOrder(tenant, received, sortOrder(asked))
  const selection = select(cabinet, tests, String(member(asked, 'Operation') ?? 'And').toLowerCase() === 'or', descending)
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

function readConditions (tenant: Tenant, received: Received, asked: JsonObject): Array<{ field: string, test: Test }> {
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

/** The matching documents, found while they are asked for: only their number is known beforehand. */
function select (cabinet: FileCabinet, tests: ReadonlyArray<{ field: string, test: Test }>, any: boolean, descending: boolean): Selection {
  const { total } = cabinet
  const matches = (id: number): boolean => {
    const values = cabinet.values(id)
    const holds = ({ field, test }: { field: string, test: Test }): boolean => test(values.get(field) ?? null)
    return any && tests.length > 0 ? tests.some(holds) : tests.every(holds)
  }
  function * found (): Generator<number> {
    for (let index = 0; index < total; index++) {
      const id = descending ? total - index : index + 1
      if (matches(id)) yield id
    }
  }
  let matching = 0
  for (const id of found()) matching += id > 0 ? 1 : 0
  return {
    total: matching,
    * ids (start, count) {
      let index = 0
      for (const id of found()) {
        if (index >= start + count) return
        if (index++ >= start) yield id
      }
    }
  }
}
