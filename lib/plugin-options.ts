import { adminOptionsSchema } from './admin/admin-options.js'
import { connectorsOptionsSchema } from './connectors/connectors-options.js'
import { docuwareOptionsSchema } from './docuware/docuware-options.js'
import { jwtOptionsSchema } from './jwt/jwt-options.js'
import { providerOptionsSchema } from './provider/provider-options.js'
import { signInOptionsSchema } from './sign-in/sign-in-options.js'
import { storeOptionsSchema } from './store/store-options.js'
import { telemetryOptionsSchema } from './telemetry/telemetry-options.js'
import { webhooksOptionsSchema } from './webhooks/webhook-options.js'

/** The schema that each plugin checks its options with. */
export const pluginSchemas = {
  store: storeOptionsSchema,
  docuware: docuwareOptionsSchema,
  provider: providerOptionsSchema,
  jwt: jwtOptionsSchema,
  connectors: connectorsOptionsSchema,
  webhooks: webhooksOptionsSchema,
  telemetry: telemetryOptionsSchema,
  signIn: signInOptionsSchema,
  admin: adminOptionsSchema
} as const

/** JSON schema of the umbrella plugin's options; what it hands on, the plugins check. */
export const umbrellaOptionsSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['store'],
  properties: { publicUrl: { type: 'string' }, ...Object.fromEntries(Object.keys(pluginSchemas).map((name) => [name, { type: 'object' }])) }
} as const
