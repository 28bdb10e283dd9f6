import { isAuthError } from '../errors.js'
import type { Logger } from '../store/logger.js'
import type { Grant, Grants } from './grant.js'

/** What ends the refreshing of a grant until a person does something about it. */
export interface TokenVerdict {
  readonly status: 'reauthorize' | 'error'
  /** For people: what is wrong, and what to do. */
  readonly message: (area: string) => string
  /** The verb of its audit event. */
  readonly event: 'reauthorization_needed' | 'refresh_failed'
}

export const refreshTokenRefused: TokenVerdict = {
  status: 'reauthorize',
  message: (area) => `The refresh token is not accepted any more: authorize the ${area} again.`,
  event: 'reauthorization_needed'
}

export const noRefreshToken: TokenVerdict = {
  status: 'reauthorize',
  message: (area) => `The access token has ended, and there is no refresh token: authorize the ${area} again.`,
  event: 'reauthorization_needed'
}

export const clientRejected: TokenVerdict = {
  status: 'error',
  message: () => 'The identity service rejects the client: its secret has expired or is wrong. Enter a new one.',
  event: 'refresh_failed'
}

/** Writes a verdict onto the version it was reached on. @returns whether it was: the record had not moved. @throws DWA_STORE_UNAVAILABLE, DWA_STORE_NOT_FOUND */
export async function writeVerdict ({ area, update, forget }: Pick<Grants<never>, 'area' | 'update' | 'forget'>, logger: Logger, { id, version, fields: { name } }: Grant, verdict: TokenVerdict): Promise<boolean> {
  const { status, event } = verdict
  const message = verdict.message(area)
  try {
    await update(id, version, { status, statusMessage: message }, { event: `${area}.${event}`, level: 'warning', actor: { type: 'app', id: null }, message })
    logger.warn({ [area]: name, status, reason: message }, `a ${area} does not get access tokens any more`)
    return true
  } catch (error) {
    if (isAuthError(error, 'DWA_STORE_CONFLICT')) return false
    throw error
  } finally {
    forget(id)
  }
}
