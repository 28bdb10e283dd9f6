import type { Call, Exchange } from '../../connectors/exchange.js'
import { readJson, readPlainText } from '../../connectors/json-answer.js'
import { jsonBody, StreamedBody, type RequestBody } from '../../connectors/request-body.js'
import { isIdempotent } from '../../connectors/retry-policy.js'
import type { QueryParameters } from '../../connectors/target.js'
import { errors } from '../../errors.js'
import type { Bearer } from '../bearer-access.js'
import type { CallOptions, DocuWareFile, RequestOptions } from './docuware-client.js'
import { docuwareErrors } from './docuware-dialect.js'
import { readFile } from './file-answer.js'

// Without `application/json`, DocuWare answers XML.
const acceptJson = { accept: 'application/json' }
/** A file as it is, but errors as JSON; not packed, so that its size is known. */
const acceptFile = { accept: 'application/json, */*;q=0.8', 'accept-encoding': 'identity' }

export interface RequestLimits {
  readonly timeoutMs: number
  readonly maxJsonBytes: number
}

/** Requests as callers ask for them, made into calls. */
export class Requests {
  readonly #exchange: Exchange<Bearer>
  readonly #timeoutMs: number
  readonly #json: Call<unknown>['read']
  readonly #text: Call<string>['read']

  constructor (exchange: Exchange<Bearer>, { timeoutMs, maxJsonBytes }: RequestLimits) {
    this.#exchange = exchange
    this.#timeoutMs = timeoutMs
    this.#json = (answer) => readJson(answer, maxJsonBytes, docuwareErrors)
    this.#text = (answer) => readPlainText(answer, maxJsonBytes, docuwareErrors)
  }

  /** Sends a request and answers the parsed JSON (null when it is empty) or the text. */
  async send (method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    return await this.#run<unknown>(method.toUpperCase(), path, options, bodyOf(options), acceptJson, options.as === 'text' ? this.#text : this.#json)
  }

  /** The same with a body that was made already. */
  sendBody (method: string, path: string, body: RequestBody, options: RequestOptions): Promise<unknown> {
    return this.#run(method, path, options, body, acceptJson, this.#json)
  }

  /** GETs a file. */
  open (path: string, options: CallOptions & { readonly query?: QueryParameters } = {}): Promise<DocuWareFile> {
    return this.#run('GET', path, options, null, acceptFile, readFile)
  }

  #run<Answer> (method: string, path: string, options: RequestOptions, body: RequestBody | null, accept: Call<Answer>['headers'], read: Call<Answer>['read']): Promise<Answer> {
    const { query, headers, signal, timeoutMs = this.#timeoutMs, idempotent = isIdempotent(method) } = options
    return this.#exchange.run({
      method,
      path,
      query,
      body,
      idempotent,
      signal,
      timeoutMs,
      read,
      headers: body === null && headers === undefined ? accept : { ...accept, ...body?.headers, ...lowerCase(headers) }
    })
  }
}

/** @throws DWA_DOCUWARE_INVALID_REQUEST */
function bodyOf ({ json, body }: RequestOptions): RequestBody | null {
  if (json !== undefined && body !== undefined) throw new errors.DWA_DOCUWARE_INVALID_REQUEST('A request has json or a body, not both')
  if (body !== undefined) return new StreamedBody(body, docuwareErrors)
  return json === undefined ? null : jsonBody(json)
}

/** So that a header given twice is the later one, not both. */
function lowerCase (headers: RequestOptions['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
}
