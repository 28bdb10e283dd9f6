import { connectionSchema, connectionStatuses, storedConnectionSchema, type ConnectionInput, type ConnectionPatch } from '../../docuware/connection-schema.js'
import { connectionPatchSchema, type Connections } from '../../docuware/connections.js'
import { pageOf } from '../pages.js'
import { recordResource } from '../record-operations.js'
import type { Resource } from '../resource.js'
import { secretNames, timeOrNull, viewSchema } from '../view-schema.js'

const { discovered, account, lastSync } = storedConnectionSchema.properties
const at = { type: 'string', format: 'date-time' } as const
const present = { type: 'boolean' } as const

/** Connections to DocuWare. Whoever may edit them may set the client secret, and nobody but `system` may read it. */
export function connectionsResource (connections: Connections): Resource {
  return recordResource({
    name: 'connections',
    noun: 'connection',
    role: 'docuware',
    input: connectionSchema,
    patch: connectionPatchSchema,
    view: viewSchema(connectionSchema.properties, {
      secrets: ['clientSecret'],
      more: {
        status: { type: 'string', enum: connectionStatuses },
        statusMessage: { type: ['string', 'null'], description: 'Why it is not `authorized`.' },
        hasAccessToken: present,
        hasRefreshToken: present,
        expiresAt: { ...timeOrNull, description: 'When the access token ends.' },
        account: { anyOf: [account, { type: 'null' }] },
        discovered: { anyOf: [{ ...discovered, properties: { ...discovered.properties, at } }, { type: 'null' }] },
        lastSync: { anyOf: [{ ...lastSync, properties: { ...lastSync.properties, at } }, { type: 'null' }] },
        syncingSince: { ...timeOrNull, description: 'Since when a sync is running.' }
      }
    }),
    filters: { name: { type: 'string', maxLength: 100 }, status: { type: 'string', enum: connectionStatuses } },
    secrets: secretNames('clientSecret', 'accessToken', 'refreshToken'),
    records: {
      page: async (limit, after, matching) => await pageOf(limit, async (count) => await connections.page(count, after, matching), ({ name }) => name),
      get: async (key) => await connections.get(key),
      create: async (input: ConnectionInput, note) => ({ view: await connections.create(input, note) }),
      update: async (key, patch: ConnectionPatch, change) => await connections.update(key, patch, change),
      remove: async (key, change) => { await connections.remove(key, change) },
      secrets: async (key, note) => await connections.secrets(key, note)
    }
  })
}
