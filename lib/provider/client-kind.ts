import type { RecordKind, StoredRecord } from '../store/record-collection.js'
import { storedClientSchema, type ClientView, type StoredClient } from './client-schema.js'
import { publicKeyOf } from './signing-keys.js'

/** The clients kept by the store. */
export const clientKind: RecordKind = {
  collection: 'clients',
  area: 'client',
  nameField: 'name',
  secrets: ['privateKeys'],
  schema: storedClientSchema,
  indexes: [{ keys: { clientId: 1 }, unique: true }]
}

/** A record as it is shown. @param now milliseconds since 1970 */
export function toClientView ({ id, version, createdAt, updatedAt, fields: { keptSecrets = [], keys = [], privateKeys: _, tokensSince: _since, ...fields } }: StoredRecord<StoredClient>, now: number): ClientView {
  return {
    ...fields,
    id,
    version,
    createdAt,
    updatedAt,
    hasClientSecret: keptSecrets.length > 0,
    clientSecrets: keptSecrets.map((secret) => ({ id: secret.id, createdAt: new Date(secret.createdAt) })),
    jwtPublicKey: publicKeyOf(keys, now),
    keys: keys.map(({ publicJwk: _, ...key }) => key)
  }
}
