import type { OutgoingHttpHeaders } from 'node:http'
import { mediaType, readText, Refusal, type Answer, type Received } from './exchange.js'
import { platformError } from './platform-error.js'
import type { Tenant } from './tenant.js'

const namespace = 'http://dev.docuware.com/schema/public/services/platform'
const maxJsonBytes = 2 ** 20

export type JsonObject = { readonly [name: string]: unknown }

/** An answer as JSON when the request's Accept header names it, else as XML: that is how the platform takes no header and a star. */
export function platformAnswer (tenant: Tenant, received: Received, root: string, value: unknown, status = 200, headers: OutgoingHttpHeaders = {}): Answer {
  if (!wantsJson(received)) return { status, headers: { 'content-type': 'application/xml; charset=utf-8', ...headers }, body: xmlDocument(root, value) }
  return { status, headers: { 'content-type': 'application/json; charset=utf-8', ...headers }, body: JSON.stringify(inCase(tenant, value)) }
}

/**
 * An object with many rows, written while they are made: constant memory.
 * `rows` are the values of the member `Items`, which `value` does not have.
 */
export function platformRows (tenant: Tenant, received: Received, root: string, value: JsonObject, rows: Iterable<JsonObject>): Answer {
  const json = wantsJson(received)
  const envelope = { Items: marker, ...value }
  const [head = '', tail = ''] = json ? JSON.stringify(inCase(tenant, envelope)).split(`"${marker}"`) : xmlDocument(root, envelope).split(`<Items>${marker}</Items>`)
  const text = json ? (row: JsonObject) => JSON.stringify(inCase(tenant, row)) : (row: JsonObject) => xmlElement('Items', row)
  return {
    status: 200,
    headers: { 'content-type': `application/${json ? 'json' : 'xml'}; charset=utf-8` },
    body: inBatches(json ? `${head}[` : head, rows, text, json ? ',' : '', json ? `]${tail}` : tail)
  }
}

/** DocuWare's error as something to throw. */
export function platformFailure (tenant: Tenant, received: Received, status: number, message: string, headers: OutgoingHttpHeaders = {}): Refusal {
  return new Refusal(platformAnswer(tenant, received, 'Error', platformError(received, status, message), status, headers))
}

/** A JSON body that is an object. @throws Refusal (400, 413, 415) */
export async function readJsonObject (tenant: Tenant, received: Received): Promise<JsonObject> {
  if (!/^application\/(json|[a-z0-9.+-]+\+json)$/.test(mediaType(received.incoming.headers['content-type']))) throw platformFailure(tenant, received, 415, 'Unsupported media type')
  const text = await readText(received.incoming, maxJsonBytes)
  if (text === null) throw platformFailure(tenant, received, 413, 'The body is too long')
  const value = parseJson(text)
  if (!isObject(value)) throw platformFailure(tenant, received, 400, 'The body is not a JSON object')
  return value
}

/** The value of a JSON text; undefined for anything else. */
export function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // malformed JSON is an ordinary answer of this function
  }
}

export function isObject (value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A member by its name in any letters' case, as .NET reads JSON. */
export function member (object: JsonObject, name: string): unknown {
  return Object.entries(object).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]
}

const marker = '@rows@'

function wantsJson ({ incoming }: Received): boolean {
  return /\bjson\b/i.test(incoming.headers.accept ?? '')
}

function * inBatchesOf (head: string, rows: Iterable<JsonObject>, text: (row: JsonObject) => string, separator: string, tail: string): Generator<string> {
  let batch = head
  let first = true
  for (const row of rows) {
    batch += (first ? '' : separator) + text(row)
    first = false
    if (batch.length > 64 * 1024) {
      yield batch
      batch = ''
    }
  }
  yield batch + tail
}

/** As an asynchronous iterable, which gives other requests their turn between two batches. */
async function * inBatches (...batches: Parameters<typeof inBatchesOf>): AsyncGenerator<string> {
  for (const batch of inBatchesOf(...batches)) {
    await new Promise((resolve) => { setImmediate(resolve) })
    yield batch
  }
}

function inCase (tenant: Tenant, value: unknown): unknown {
  if (tenant.switches.keyCase === 'Pascal' || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => inCase(tenant, item))
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name.charAt(0).toLowerCase() + name.slice(1), inCase(tenant, item)]))
}

function xmlDocument (root: string, value: unknown): string {
  const element = xmlElement(root, value)
  return `<?xml version="1.0" encoding="utf-8"?><${root} xmlns="${namespace}">${element.slice(root.length + 2)}`
}

/** A list is its name repeated. */
function xmlElement (name: string, value: unknown): string {
  if (Array.isArray(value)) return value.map((item) => xmlElement(name, item)).join('')
  return `<${name}>${xmlContent(value)}</${name}>`
}

function xmlContent (value: unknown): string {
  if (isObject(value)) return Object.entries(value).filter(([name]) => !name.startsWith('$')).map(([name, item]) => xmlElement(name, item)).join('')
  return String(value ?? '').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
