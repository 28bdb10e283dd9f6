import { systemClock, type Clock } from '../../clock.js'
import { Exchange } from '../../connectors/exchange.js'
import { fetchTransport } from '../../connectors/fetch-transport.js'
import { nodeTransport } from '../../connectors/node-transport.js'
import type { Logger } from '../../store/logger.js'
import type { BearerAccess } from '../bearer-access.js'
import { processWideRates, type CabinetListRates } from './cabinet-list-rates.js'
import { connectionCredentials } from './connection-credentials.js'
import { fieldList } from './document-fields.js'
import { documentPages } from './document-pages.js'
import { documentRequest } from './document-query.js'
import type { DocuWareClient } from './docuware-client.js'
import { docuwareDialect } from './docuware-dialect.js'
import { loginToken } from './login-token.js'
import { asList, asObject } from './member.js'
import { multipart } from './multipart.js'
import { Requests } from './requests.js'
import { segment } from './segment.js'

export interface RestClientOptions {
  /** Milliseconds for one try of a request, its answer included; for files, of silence. Default 30 000. */
  readonly timeoutMs?: number
  /** How often a request is sent at most; the one after a renewed token is not counted. Default 5. */
  readonly tries?: number
  /** Milliseconds: the longest wait that DocuWare may ask for. Default 120 000. */
  readonly maxRetryAfterMs?: number
  /** Bytes of a JSON answer. Default 64 MiB. */
  readonly maxJsonBytes?: number
  /** Where clients that share an organization's limits meet. Default: all of the process. */
  readonly rates?: CabinetListRates
  /** What sends requests. Default: Node's http and https. */
  readonly fetch?: typeof globalThis.fetch
  readonly clock?: Clock
  /** From 0 to 1. */
  readonly random?: () => number
  /** Told of requests that are repeated, and of DocuWare's exceptions. */
  readonly logger?: Logger
}

/** The REST client of one connection. It makes no call by itself, and is safe for any number of calls at a time. */
export function createRestClient (access: BearerAccess, options: RestClientOptions = {}): DocuWareClient {
  const { timeoutMs = 30_000, tries = 5, maxRetryAfterMs = 120_000, maxJsonBytes = 64 * 1024 * 1024 } = options
  const { rates = processWideRates, fetch, clock = systemClock, random = Math.random, logger = null } = options
  const transport = fetch === undefined ? nodeTransport : fetchTransport(fetch)
  const requests = new Requests(new Exchange({ credentials: connectionCredentials(access, rates), dialect: docuwareDialect, tries, maxRetryAfterMs, transport, clock, random, logger }), { timeoutMs, maxJsonBytes })

  return {
    request: (method, path, options) => requests.send(method, path, options),
    get: (path, options) => requests.send('GET', path, options),
    post: (path, options) => requests.send('POST', path, options),
    put: (path, options) => requests.send('PUT', path, options),
    patch: (path, options) => requests.send('PATCH', path, options),
    delete: (path, options) => requests.send('DELETE', path, options),
    open: (path, options) => requests.open(path, options),

    whoami: async (options) => asObject(await requests.send('GET', '/Organization/UserInfo', options), 'a user'), // never POST: it creates users
    organizations: async (options) => asList(await requests.send('GET', '/Organizations', options), 'Organization'),
    fileCabinets: async (options) => asList(await requests.send('GET', '/FileCabinets', options), 'FileCabinet'),
    fileCabinet: async (cabinetId, options) => asObject(await requests.send('GET', cabinet(cabinetId), options), 'a file cabinet'),
    dialogs: async (cabinetId, options) => asList(await requests.send('GET', `${cabinet(cabinetId)}/Dialogs`, options), 'Dialog'),

    documents: (cabinetId, query = {}) => documentPages(requests, cabinet(cabinetId), documentRequest(query)),
    document: async (cabinetId, documentId, options) => asObject(await requests.send('GET', document(cabinetId, documentId), options), 'a document'),
    async updateFields (cabinetId, documentId, fields, options) {
      return asList(await requests.send('PUT', `${document(cabinetId, documentId)}/Fields`, { ...options, json: { Field: fieldList(fields) } }), 'Field')
    },
    async upload (cabinetId, source, { fileName, contentType = 'application/octet-stream', size, fields, storeDialogId, ...options }) {
      const body = multipart({ source, fileName, contentType, size, ...(fields === undefined ? {} : { index: { Fields: fieldList(fields) } }) })
      return asObject(await requests.sendBody('POST', `${cabinet(cabinetId)}/Documents`, body, { ...options, query: { storeDialogId } }), 'a document')
    },
    async download (cabinetId, documentId, { targetFileType, keepAnnotations, ...options } = {}) {
      return await requests.open(`${document(cabinetId, documentId)}/FileDownload`, { ...options, query: { targetFileType, keepAnnotations } })
    },
    loginToken: (options) => loginToken(requests, options)
  }
}

function cabinet (cabinetId: string): string {
  return `/FileCabinets/${segment('file cabinet\'s id', cabinetId)}`
}

function document (cabinetId: string, documentId: string | number): string {
  return `${cabinet(cabinetId)}/Documents/${segment('document\'s id', documentId)}`
}
