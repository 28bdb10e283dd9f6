import { errors } from '../../errors.js'
import { applicationTypes, clientSchema, type ClientInput, type ClientPatch } from '../../provider/client-schema.js'
import { clientPatchSchema, type Clients } from '../../provider/clients.js'
import { pageOf } from '../pages.js'
import { recordResource } from '../record-operations.js'
import type { JsonObject, Resource } from '../resource.js'
import { viewSchema } from '../view-schema.js'

const at = { type: 'string', format: 'date-time' } as const
/** Milliseconds since 1970, as `app.oauthProvider.clients` shows them. */
const time = { type: 'integer', description: 'Milliseconds since 1970.' } as const
const clientSecret = { clientSecret: { type: ['string', 'null'], description: 'The new secret, shown this once; null when there is no new one.' } } as const
const noBody = { type: 'object', additionalProperties: false, properties: {} } as const
const droppedSecret = { type: 'object', additionalProperties: false, properties: { secretId: { type: 'string', maxLength: 100, description: 'One of `clientSecrets`. Default: the older one.' } } } as const

/** Clients of the provider. Their secrets are kept as hashes: there are none to be read. */
export function clientsResource (clients: Clients): Resource {
  return recordResource({
    name: 'clients',
    noun: 'client',
    role: 'oauth_provider',
    input: clientSchema,
    patch: clientPatchSchema,
    once: clientSecret,
    view: viewSchema(clientSchema.properties, {
      secrets: ['clientSecret', 'jwtPrivateKey'],
      present: ['clientSecret'],
      more: {
        clientSecrets: { type: 'array', description: 'Newest last; two while the secret is rotated.', items: { type: 'object', properties: { id: { type: 'string' }, createdAt: at } } },
        jwtPublicKey: { type: ['string', 'null'], description: 'PEM of the key that signs now.' },
        keys: { type: 'array', items: { type: 'object', properties: { kid: { type: 'string' }, algorithm: clientSchema.properties.jwtAlgorithm, createdAt: time, signsFrom: time } } }
      }
    }),
    filters: {
      name: { type: 'string', maxLength: 200 },
      clientId: { type: 'string', maxLength: 255 },
      applicationType: { type: 'string', enum: applicationTypes },
      enabled: { type: 'boolean' }
    },
    records: {
      page: async (limit, after, matching) => await pageOf(limit, async (count) => await clients.page(count, after, matching), ({ name }) => name),
      get: async (key) => await clients.get(key),
      async create (input: ClientInput, note) {
        const { client, clientSecret } = await clients.create(input, note)
        return { view: client, once: { clientSecret } }
      },
      update: async (key, patch: ClientPatch, change) => await clients.update(key, patch, change),
      remove: async (key, change) => { await clients.remove(key, change) }
    },
    async admit ({ jwtPrivateKey, jwtAlgorithm }, roles, key) { // keys are the system's
      if (roles.includes('system')) return
      if (key === null && jwtPrivateKey === undefined) return
      if (key !== null && jwtAlgorithm === undefined) return
      const client = key === null ? null : await clients.get(key)
      if (client === null ? key !== null : client.keys.length === 0 || client.jwtAlgorithm === jwtAlgorithm) return
      throw new errors.DWA_ACCESS_FORBIDDEN('system')
    },
    actions: [
      {
        name: 'rotate-secret',
        summary: 'A new secret beside the one there is, which works until it is dropped',
        body: noBody,
        once: clientSecret,
        async run (key, _input, change) {
          const { client, clientSecret } = await clients.rotateSecret(key, change)
          return { view: client, once: { clientSecret } }
        }
      },
      {
        name: 'drop-secret',
        summary: 'Ends one of two secrets',
        body: droppedSecret,
        run: async (key, { secretId }: JsonObject, change) => ({ view: await clients.dropSecret(key, { ...change, ...(typeof secretId === 'string' ? { secretId } : {}) }) })
      }
    ]
  })
}
