import { errors } from '../errors.js'
import { redactText } from '../log/redact.js'
import type { Dialect, ExchangeErrors, Refusal, RefusedRequest } from './dialect.js'
import { readText } from './read-text.js'
import { failureKind } from './retry-policy.js'

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

/** Bytes of a refusal that an error shows, and that are looked at to mask credentials in them. */
const shownBytes = 2048
const readBytes = 64 * 1024
const masked = '[masked]'

async function readRefusal (response: Response, { method, path, secrets }: RefusedRequest): Promise<Refusal> {
  const { status } = response
  const text = await readText(response, readBytes).catch(() => null) // the status says enough
  const url = originOf(response) + path
  const error = Object.assign(new errors.DWA_CONNECTOR_HTTP(method, url, status), { status, url, body: text === null ? null : shown(text, secrets) })
  return { kind: failureKind(status), error, exception: null }
}

function originOf ({ url }: Response): string {
  return URL.canParse(url) ? new URL(url).origin : ''
}

/** The start of what the peer said, as far as it repeats nothing it was told. */
function shown (text: string, secrets: readonly string[]): string {
  const clean = secrets.filter((secret) => secret !== '').reduce((said, secret) => said.replaceAll(secret, masked), text)
  return Buffer.from(redactText(clean)).subarray(0, shownBytes).toString('utf8').replace(/\ufffd$/, '')
}
