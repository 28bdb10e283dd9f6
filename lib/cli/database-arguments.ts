import { readFile } from 'node:fs/promises'
import type { ParseArgsConfig } from 'node:util'
import { readMasterKey, type MasterKey } from '../store/master-key.js'
import { defaultPrefix } from '../store/store-options.js'
import { UsageError, type Terminal } from './terminal.js'

/** Options shared by the commands that open a database. */
export const databaseOptions = {
  uri: { type: 'string' },
  prefix: { type: 'string', default: defaultPrefix },
  key: { type: 'string', multiple: true },
  'key-file': { type: 'string', multiple: true },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false }
} as const satisfies ParseArgsConfig['options']

/** Of the commands that read or write the audit log, which may have a credential of its own. */
export const logOptions = { 'log-uri': { type: 'string' } } as const satisfies ParseArgsConfig['options']

export const logHelp = '  --log-uri <address>  the address of store.log.uri, if there is one (or DWA_LOG_URI in the environment)'

/** The same without the keys themselves: whatever is an argument, other users of the machine can see. */
const { key: _key, ...quietOptions } = databaseOptions
export { quietOptions }

export const quietHelp = `  --uri <address>      MongoDB's address, database included (or DWA_URI in the environment)
  --key-file <path>    a file with one master key a line; may be repeated (or DWA_KEYS in the environment, separated by commas)
  --prefix <prefix>    prefix of the collections, dwa_ by default
  --json               answer in JSON`

export const databaseHelp = `  --uri <address>      MongoDB's address, database included (or DWA_URI in the environment)
  --key <base64>       a master key; may be repeated (or DWA_KEYS in the environment, separated by commas)
  --key-file <path>    a file with one master key a line; may be repeated
  --prefix <prefix>    prefix of the collections, dwa_ by default
  --json               answer in JSON`

/** @throws UsageError */
export function readAddress (uri: string | undefined, { env }: Terminal): string {
  const address = uri ?? env['DWA_URI']
  if (address === undefined || address === '') throw new UsageError('--uri (or DWA_URI) is missing')
  return address
}

/** The address of the log's own credential; undefined when it has none. */
export function readLogAddress (uri: string | undefined, { env }: Terminal): string | undefined {
  const address = uri ?? env['DWA_LOG_URI']
  return address === '' ? undefined : address
}

/** A master key as it was given, and where. */
export interface GivenKey { readonly text: string, readonly from: string }

/** The master keys in the order given: --key, then --key-file; DWA_KEYS when there is neither. */
export async function readKeyTexts (keys: readonly string[] = [], files: readonly string[] = [], { env }: Terminal): Promise<GivenKey[]> {
  const texts = keys.map((text, index) => ({ text, from: `--key ${index + 1}` }))
  for (const file of files) {
    const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line.trim() !== '')
    texts.push(...lines.map((text, index) => ({ text, from: `${file}:${index + 1}` })))
  }
  if (texts.length > 0) return texts
  return (env['DWA_KEYS'] ?? '').split(',').filter((text) => text !== '').map((text, index) => ({ text, from: `DWA_KEYS ${index + 1}` }))
}

/** @throws UsageError without any, DWA_OPTIONS_INVALID */
export async function readKeys (keys: readonly string[] | undefined, files: readonly string[] | undefined, terminal: Terminal): Promise<[MasterKey, ...MasterKey[]]> {
  const [first, ...others] = (await readKeyTexts(keys, files, terminal)).map(({ text, from }) => readMasterKey(text, from))
  if (first === undefined) throw new UsageError(keys === undefined ? '--key-file or DWA_KEYS is missing' : '--key, --key-file or DWA_KEYS is missing')
  return [first, ...others]
}
