import type { OpenedRecord } from '../store/record-collection.js'
import type { Bearer } from './bearer-access.js'
import type { StoredConnection } from './connection-schema.js'

/** A connection with its secrets, as it was last read. */
export interface OpenConnection extends OpenedRecord<StoredConnection> {
  /** Null without an access token. */
  readonly bearer: Bearer | null
}

export function openConnection (record: OpenedRecord<StoredConnection>): OpenConnection {
  const { accessToken } = record.secrets
  const { platformUrl } = record.fields
  const bearer = accessToken === undefined ? null : { platformUrl, accessToken, organization: platformUrl }
  return { ...record, bearer }
}
