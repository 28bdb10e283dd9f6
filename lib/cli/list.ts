import { parseArgs } from 'node:util'
import { recordKinds } from '../record-kinds.js'
import type { RecordDocument } from '../store/outbox.js'
import { quietOptions, readAddress } from './database-arguments.js'
import { withDatabase } from './open-database.js'
import { tableOf } from './table.js'
import { UsageError, type Terminal } from './terminal.js'

/** What of a record is listed, where it is more than its name: nothing that is secret, or the hash of a secret. */
const columns: Readonly<Record<string, readonly string[]>> = {
  connections: ['name', 'platformUrl', 'clientId', 'status', 'statusMessage', 'expiresAt'],
  validators: ['name', 'enabled', 'signatureType', 'issuer', 'audience', 'nextValidator'],
  clients: ['name', 'clientId', 'applicationType', 'enabled', 'redirectUris', 'scopes'],
  scopes: ['code', 'name', 'model', 'fields'],
  consents: ['user', 'client', 'scopes']
}
/** Milliseconds since 1970. */
const times = new Set(['expiresAt'])

const collections = new Map(recordKinds.map((kind) => [kind.collection.replaceAll('_', '-'), kind]))
const names = [...collections.keys()].join(', ')

const help = `fastify-docuware-auth list <what> --uri <address> [options]

Lists ${names}, without their secrets. Changes nothing, and needs no keys.
Exit code: 0 listed, 2 could not look.

  --uri <address>      MongoDB's address, database included (or DWA_URI in the environment)
  --prefix <prefix>    prefix of the collections, dwa_ by default
  --json               answer in JSON`

/** @returns the exit code */
export async function list (args: string[], terminal: Terminal): Promise<number> {
  const { uri, prefix, json, help: helpOption } = quietOptions
  const { values, positionals: [what, ...others] } = parseArgs({ args, options: { uri, prefix, json, help: helpOption }, allowPositionals: true })
  if (values.help) {
    terminal.say(help)
    return 0
  }
  const kind = what === undefined || others.length > 0 ? undefined : collections.get(what)
  if (kind === undefined) throw new UsageError(`say what to list: ${names}`)
  const shown = columns[kind.collection] ?? [kind.nameField]
  const projection = Object.fromEntries([...shown, 'version', 'createdAt', 'updatedAt'].map((name) => [name, 1]))
  const records = await withDatabase(readAddress(values.uri, terminal), '--uri', async (database) => {
    return await database.run(async () => await database.db.collection<RecordDocument>(values.prefix + kind.collection).find({ [kind.nameField]: { $exists: true } }, { projection }).sort({ [kind.nameField]: 1 }).toArray())
  })
  if (values.json) terminal.say(JSON.stringify(records.map(({ _id, ...fields }) => ({ id: _id.toHexString(), ...fields }))))
  else for (const line of tableOf([[...shown, 'updatedAt'], ...records.map((record) => [...shown, 'updatedAt'].map((name) => show(name, record[name])))])) terminal.say(line)
  return 0
}

function show (name: string, value: unknown): string {
  if (value === undefined || value === null) return '–'
  if (Array.isArray(value)) return value.map(String).join(' ') || '–'
  if (value instanceof Date) return value.toISOString()
  return times.has(name) && typeof value === 'number' ? new Date(value).toISOString() : String(value)
}
