import type { Telemetry } from '../../../types/telemetry.js'
import { telemetrySchema } from '../../telemetry/telemetry-settings.js'
import { errors } from '../../errors.js'
import { isKnown, versionMeant } from '../entity-tag.js'
import { pageSchema } from '../pages.js'
import type { JsonObject, Resource } from '../resource.js'

const id = 'telemetry'
const flag = { type: 'boolean' } as const
const view = {
  type: 'object',
  required: ['id', 'version', 'sdkInstalled', 'on', 'sendPii'],
  properties: {
    id: { type: 'string', enum: [id] },
    version: { type: 'integer', description: 'Counts the changes.' },
    sdkInstalled: { ...flag, description: 'Whether @sentry/node is installed; without it nothing is sent.' },
    on: { ...flag, description: 'Whether a DSN is saved.' },
    sendPii: { ...flag, description: 'Whether user identifiers and addresses are sent too.' }
  }
} as const

/** As much of telemetry as is managed. What is set is anybody's: it is checked there. */
interface ManagedTelemetry {
  get (): ReturnType<Telemetry['get']>
  version (): Promise<number>
  set (settings: JsonObject, change: Parameters<Telemetry['set']>[1]): ReturnType<Telemetry['set']>
}

/** The settings that are changed at run time: those of telemetry. */
export function settingsResource (telemetry: ManagedTelemetry): Resource {
  /** The version comes first: of what changes in between, a change at that version is refused. */
  async function show (): Promise<{ readonly id: typeof id, readonly version: number } & Awaited<ReturnType<Telemetry['get']>>> {
    const version = await telemetry.version()
    return { id, version, ...await telemetry.get() }
  }

  return {
    name: 'settings',
    operations: [
      {
        id: 'listSettings',
        method: 'GET',
        path: '/settings',
        roles: ['system'],
        summary: 'What settings there are',
        answer: { status: 200, description: 'All of them.', schema: pageSchema(view) },
        run: async () => ({ body: { items: [await show()] }, next: null })
      },
      {
        id: 'getTelemetrySettings',
        method: 'GET',
        path: '/settings/telemetry',
        roles: ['system'],
        summary: 'The settings of telemetry',
        condition: 'none-match',
        answer: { status: 200, description: 'They, and their version as ETag.', schema: view },
        async run ({ ifNoneMatch }) {
          const body = await show()
          return isKnown(ifNoneMatch, body) ? { status: 304, version: body } : { body, version: body }
        }
      },
      {
        id: 'updateTelemetrySettings',
        method: 'PATCH',
        path: '/settings/telemetry',
        roles: ['system'],
        summary: 'Changes of the settings of telemetry what is given',
        body: telemetrySchema,
        condition: 'match',
        answer: { status: 200, description: 'They, as they are now.', schema: view },
        async run ({ body, ifMatch, note }) {
          const meant = await versionMeant(ifMatch, { required: true, noun: 'settings', current: show })
          if (meant !== undefined && meant.id !== id) throw new errors.DWA_STORE_CONFLICT('The settings')
          await telemetry.set(body, { ...note, version: meant?.version })
          const changed = await show()
          return { body: changed, version: changed }
        }
      }
    ]
  }
}
