import type { Readable } from 'node:stream'
import type { BodySource } from '../../connectors/request-body.js'
import type { QueryParameters } from '../../connectors/target.js'
import type { AuthError } from '../../errors.js'
import { isAuthError } from '../../errors.js'
import type { DocumentFields } from './document-fields.js'
import type { DocumentQuery } from './document-query.js'

/**
 * A JSON object as DocuWare sent it. Names are PascalCase as a rule; `member` reads one whatever its letter case is.
 * Dates are texts such as `/Date(1781144834365)/`; `readDocuWareDate` reads one.
 */
export interface DocuWareObject { readonly [name: string]: unknown }

export interface CallOptions {
  /** Ends the call, and any wait before another try, at once; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Milliseconds for one try, instead of the client's `timeoutMs`. */
  readonly timeoutMs?: number
}

export interface RequestOptions extends CallOptions {
  readonly query?: QueryParameters
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is, instead of `json`; name its media type in `headers`. A stream can be sent once only, see DWA_DOCUWARE_BODY_USED. */
  readonly body?: BodySource
  /** `authorization` cannot be set. */
  readonly headers?: Readonly<Record<string, string>>
  /** Whether the request may be sent twice: decides what is tried again. Default: by the method (RFC 9110 §9.2.2). */
  readonly idempotent?: boolean
  /** `text`: the answer is handed over as a string, of whatever media type. Default `json`. */
  readonly as?: 'json' | 'text'
}

export interface UploadOptions extends CallOptions {
  readonly fileName: string
  /** Media type. Default `application/octet-stream`. */
  readonly contentType?: string
  /** Index fields of the new document. */
  readonly fields?: DocumentFields
  /** The store dialog whose rules apply. */
  readonly storeDialogId?: string
  /** Bytes, where the source does not tell: saves DocuWare a chunked transfer. */
  readonly size?: number
}

export interface DownloadOptions extends CallOptions {
  /** `Auto`: as it was stored, a ZIP archive for more than one file. Default: DocuWare's own. */
  readonly targetFileType?: string
  readonly keepAnnotations?: boolean
}

/** A file on its way. Read `stream` to its end or destroy it: until then it holds a connection. */
export interface DocuWareFile {
  /** Fails with DWA_DOCUWARE_TIMEOUT when nothing comes for `timeoutMs` while somebody waits for it, DWA_DOCUWARE_UNREACHABLE when the connection breaks. */
  readonly stream: Readable
  readonly contentType: string | null
  /** As DocuWare names it, without any folder. */
  readonly fileName: string | null
  /** Bytes, when DocuWare says so. */
  readonly size: number | null
}

export interface LoginTokenOptions extends CallOptions {
  /** Default `['PlatformService']`. */
  readonly targetProducts?: readonly string[]
  /** Default `Single`. */
  readonly usage?: 'Single' | 'Multi'
  /** Default 3600. */
  readonly lifetimeSeconds?: number
}

/**
 * The REST API of one connection's platform.
 *
 * Paths: `/Organizations` is taken below the platform; a path that begins with the platform's own (as DocuWare's links do) and a whole URL
 * are taken as they are. `..` may lead out of the platform but, as every link and redirect, never to another origin.
 *
 * Tried again, `http.tries` times in all: 429 for every method after the time DocuWare asks for (60 s when it names none);
 * 408, 502, 503, 504, a broken connection and a time-out only for requests that may be sent twice, after 1 s in the median, then longer.
 * 401 renews the token and tries again, once. Lists of file cabinets wait for their turn under DocuWare's 60 a minute for an organization.
 *
 * Every call @throws DWA_DOCUWARE_HTTP, DWA_DOCUWARE_LICENCES, DWA_DOCUWARE_NOT_JSON, DWA_DOCUWARE_UNEXPECTED_ANSWER, DWA_DOCUWARE_UNREACHABLE,
 * DWA_DOCUWARE_TIMEOUT, DWA_DOCUWARE_FOREIGN_ORIGIN, DWA_DOCUWARE_INVALID_REQUEST, DWA_DOCUWARE_LEGACY_LOGON, and when no token is to be had
 * DWA_DOCUWARE_NOT_AUTHORIZED, DWA_DOCUWARE_REAUTHORIZE, DWA_DOCUWARE_CLIENT_REJECTED, DWA_DOCUWARE_REFRESH_FAILED, DWA_STORE_NOT_FOUND, DWA_STORE_UNAVAILABLE; and with a stream for a body DWA_DOCUWARE_BODY_USED.
 */
export interface DocuWareClient {
  /** The parsed answer; null when it is empty. */
  request (method: string, path: string, options?: RequestOptions): Promise<unknown>
  get (path: string, options?: RequestOptions): Promise<unknown>
  post (path: string, options?: RequestOptions): Promise<unknown>
  put (path: string, options?: RequestOptions): Promise<unknown>
  patch (path: string, options?: RequestOptions): Promise<unknown>
  delete (path: string, options?: RequestOptions): Promise<unknown>
  /** GETs anything that is no JSON: a file, a section, a thumbnail. */
  open (path: string, options?: CallOptions & { readonly query?: QueryParameters }): Promise<DocuWareFile>

  /** The user the connection acts for: `GET /Organization/UserInfo`. */
  whoami (options?: CallOptions): Promise<DocuWareObject>
  organizations (options?: CallOptions): Promise<DocuWareObject[]>
  /** File cabinets and document trays (`IsBasket`). */
  fileCabinets (options?: CallOptions): Promise<DocuWareObject[]>
  fileCabinet (cabinetId: string, options?: CallOptions): Promise<DocuWareObject>
  dialogs (cabinetId: string, options?: CallOptions): Promise<DocuWareObject[]>

  /** The cabinet's documents, page by page as they are asked for; a search where `query` has conditions or a dialog. */
  documents (cabinetId: string, query?: DocumentQuery): AsyncGenerator<DocuWareObject, void, undefined>
  document (cabinetId: string, documentId: string | number, options?: CallOptions): Promise<DocuWareObject>
  /** Changes index fields; answers the document's fields as they are now. */
  updateFields (cabinetId: string, documentId: string | number, fields: DocumentFields, options?: CallOptions): Promise<DocuWareObject[]>
  /** Stores a file as a new document and answers the document. `timeoutMs` is for silence, not for the whole of it. */
  upload (cabinetId: string, source: BodySource, options: UploadOptions): Promise<DocuWareObject>
  download (cabinetId: string, documentId: string | number, options?: DownloadOptions): Promise<DocuWareFile>
  /** A token that signs the connection's user in to DocuWare elsewhere: a secret. */
  loginToken (options?: LoginTokenOptions): Promise<string>
}

/** DocuWare's own refusal of a request. */
export type DocuWareHttpError = AuthError<'DWA_DOCUWARE_HTTP'> & {
  readonly status: number
  /** What DocuWare said, on one line and without anything like a credential; null when it said nothing readable. */
  readonly docuwareMessage: string | null
  readonly method: string
  /** Without the query. */
  readonly path: string
}

export function isDocuWareHttpError (error: unknown): error is DocuWareHttpError {
  return isAuthError(error, 'DWA_DOCUWARE_HTTP')
}
