import type { Dialect, ExchangeErrors } from '../../connectors/dialect.js'
import { errors } from '../../errors.js'
import { readRefusal } from './refusal.js'

export const docuwareErrors: ExchangeErrors = {
  invalidRequest: (problem) => new errors.DWA_DOCUWARE_INVALID_REQUEST(problem),
  foreignOrigin: (origin, target) => new errors.DWA_DOCUWARE_FOREIGN_ORIGIN(origin, target),
  timeout: (ms) => new errors.DWA_DOCUWARE_TIMEOUT(ms),
  unreachable: (reason, options) => new errors.DWA_DOCUWARE_UNREACHABLE(reason, options),
  bodyUsed: (options) => new errors.DWA_DOCUWARE_BODY_USED(options),
  notJson: (found, status) => new errors.DWA_DOCUWARE_NOT_JSON(found, status),
  unexpectedAnswer: (found) => new errors.DWA_DOCUWARE_UNEXPECTED_ANSWER(found)
}

/** How DocuWare's platform answers: what it throttles it has not processed, and it may not say for how long. */
export const docuwareDialect: Dialect = { peer: 'DocuWare', errors: docuwareErrors, readRefusal, throttlesUnprocessed: true, throttledWaitMs: 60_000 }
