import { isAuthError } from '../errors.js'
import type { Logger } from '../store/logger.js'
import type { RecordCollection, StoredRecord } from '../store/record-collection.js'
import type { StoredConnection } from './connection-schema.js'

/** What ends the refreshing of a connection until a person does something about it. */
export interface TokenVerdict {
  readonly status: 'reauthorize' | 'error'
  /** For people: what to do. */
  readonly message: string
  readonly event: string
}

export const refreshTokenRefused: TokenVerdict = {
  status: 'reauthorize',
  message: 'The refresh token is not accepted any more: authorize the connection again.',
  event: 'connection.reauthorization_needed'
}

export const noRefreshToken: TokenVerdict = {
  status: 'reauthorize',
  message: 'The access token has ended, and there is no refresh token: authorize the connection again.',
  event: 'connection.reauthorization_needed'
}

export const clientRejected: TokenVerdict = {
  status: 'error',
  message: 'The identity service rejects the client: its secret has expired or is wrong. Enter a new one.',
  event: 'connection.refresh_failed'
}

export interface VerdictWriterOptions {
  readonly records: Pick<RecordCollection<StoredConnection>, 'update'>
  /** Drops what is remembered of a connection. */
  readonly forget: (id: string) => void
  readonly logger: Logger
}

/** Writes a verdict onto the version it was reached on. @returns whether it was: the record had not moved. @throws DWA_STORE_UNAVAILABLE, DWA_STORE_NOT_FOUND */
export async function writeVerdict ({ records, forget, logger }: VerdictWriterOptions, { id, version, fields: { name } }: StoredRecord<StoredConnection>, { status, message, event }: TokenVerdict): Promise<boolean> {
  try {
    await records.update(id, version, { status, statusMessage: message }, { event, level: 'warning', actor: { type: 'app', id: null }, message })
    logger.warn({ connection: name, status, reason: message }, 'a connection does not get access tokens any more')
    return true
  } catch (error) {
    if (isAuthError(error, 'DWA_STORE_CONFLICT')) return false
    throw error
  } finally {
    forget(id)
  }
}
