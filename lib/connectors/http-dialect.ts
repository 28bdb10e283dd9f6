import { errors, isAuthError, type AuthError } from '../errors.js'
import { redactText } from '../log/redact.js'
import type { Dialect, ExchangeErrors, Refusal, RefusedRequest } from './dialect.js'
import { mask } from './mask.js'
import { failureKind } from './retry-policy.js'
import type { PeerAnswer } from './transport.js'

export const httpErrors: ExchangeErrors = {
  invalidRequest: (problem) => new errors.DWA_CONNECTOR_INVALID_REQUEST(problem),
  foreignOrigin: (origin, target) => new errors.DWA_CONNECTOR_FOREIGN_ORIGIN(origin, target),
  timeout: (ms) => new errors.DWA_CONNECTOR_TIMEOUT(ms),
  unreachable: (reason, options) => new errors.DWA_CONNECTOR_UNREACHABLE(reason, options),
  bodyUsed: (options) => new errors.DWA_CONNECTOR_BODY_USED(options),
  notJson: (found, status) => new errors.DWA_CONNECTOR_NOT_JSON(found, status),
  unexpectedAnswer: (found) => new errors.DWA_CONNECTOR_UNEXPECTED_ANSWER(found)
}

/** How any other API answers. 429 may come after the work was done, so only requests that may be sent twice are sent again. */
export const httpDialect: Dialect = { peer: 'the API', errors: httpErrors, readRefusal, throttlesUnprocessed: false, throttledWaitMs: null }

/** An answer that is no success. */
export type ConnectorHttpError = AuthError<'DWA_CONNECTOR_HTTP'> & {
  readonly status: number
  /** Without its query. */
  readonly url: string
  /** At most 2 KB of the answer, credentials masked; null when it could not be read. */
  readonly body: string | null
}

/** Whether an error is an API's own answer: DWA_CONNECTOR_HTTP. */
export function isConnectorHttpError (error: unknown): error is ConnectorHttpError {
  return isAuthError(error, 'DWA_CONNECTOR_HTTP')
}

/** Bytes of a refusal that an error shows, and that are looked at to mask credentials in them. */
const shownBytes = 2048
const readBytes = 64 * 1024
/** Characters: a credential of 8 KB, escaped, that only begins in what was read cannot be told from other text. */
const uncertain = 48 * 1024

async function readRefusal (answer: PeerAnswer, { method, origin, path, secrets }: RefusedRequest): Promise<Refusal> {
  const { status } = answer
  const url = origin + path
  const body = await shownOf(answer, secrets).catch(() => null) // the status says enough
  return { kind: failureKind(status), error: Object.assign(new errors.DWA_CONNECTOR_HTTP(method, url, status), { status, url, body }), exception: null }
}

/** The start of what the peer said, as far as it repeats nothing it was told. */
async function shownOf ({ body }: PeerAnswer, secrets: readonly string[]): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > readBytes) break // the rest is not fetched
  }
  const clean = mask(new TextDecoder().decode(Buffer.concat(chunks).subarray(0, readBytes)), secrets)
  const shown = Buffer.from(redactText(bytes > readBytes ? clean.slice(0, -uncertain) : clean)).subarray(0, shownBytes)
  return shown.toString('utf8').replace(/\ufffd$/, '')
}
