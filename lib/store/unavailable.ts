import { errors, type AuthError } from '../errors.js'

/** Seconds after which a caller may try again: about what the driver needs to see that MongoDB is back. */
const retryAfter = '3'

const networkErrors = new Set(['MongoNetworkError', 'MongoNetworkTimeoutError', 'MongoServerSelectionError', 'MongooseServerSelectionError',
  'MongoPoolClearedError', 'MongoPoolClosedError', 'MongoWaitQueueTimeoutError', 'MongoTopologyClosedError', 'MongoNotConnectedError',
  'MongoClientClosedError', 'MongoExpiredSessionError', 'MongoOperationTimeoutError', 'PoolClearedOnNetworkError', 'PoolClearedError', 'PoolClosedError'])

/** A socket that ended before the driver had noticed: it hands these over as they are. */
const socketCodes = new Set<unknown>(['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END'])

/** HostUnreachable, HostNotFound, NetworkTimeout, ShutdownInProgress, PrimarySteppedDown, ExceededTimeLimit, SocketException, NotWritablePrimary, InterruptedAtShutdown, InterruptedDueToReplStateChange, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary. */
const stateCodes = new Set<unknown>([6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436])

/** The answer while MongoDB is away: 503 with Retry-After, sent by Fastify's own error handler. */
export function unavailable (cause?: unknown): AuthError<'DWA_STORE_UNAVAILABLE'> {
  const error = cause === undefined ? new errors.DWA_STORE_UNAVAILABLE() : new errors.DWA_STORE_UNAVAILABLE({ cause })
  return Object.assign(error, { headers: { 'retry-after': retryAfter } })
}

/**
 * Whether an operation failed because MongoDB, or its primary, could not be reached. Judged by name and code,
 * since an app's own connection may come from another copy of the driver.
 */
export function isOutage (error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (networkErrors.has(error.name)) return true
  if ('code' in error && (stateCodes.has(error.code) || socketCodes.has(error.code))) return true
  return 'hasErrorLabel' in error && typeof error.hasErrorLabel === 'function' && error.hasErrorLabel('RetryableWriteError') === true
}
