import { readFile } from 'node:fs/promises'
import { docuwareOptionsSchema } from '../../docuware/docuware-options.js'
import { isAuthError } from '../../errors.js'
import { isLoopbackHost } from '../../http/private-address.js'
import { jwtOptionsSchema } from '../../jwt/jwt-options.js'
import { checkOptions } from '../../options.js'
import { providerOptionsSchema } from '../../provider/provider-options.js'
import { signInOptionsSchema } from '../../sign-in/sign-in-options.js'
import { readPublicUrl } from '../../store/public-url.js'
import { storeOptionsSchema } from '../../store/store-options.js'
import { UsageError } from '../terminal.js'
import type { Report } from './report.js'

/** As much of the umbrella plugin's options as JSON can say. */
export type Settings = Readonly<Record<string, unknown>>

const schemas = { store: storeOptionsSchema, docuware: docuwareOptionsSchema, provider: { ...providerOptionsSchema, required: [] }, jwt: jwtOptionsSchema, signIn: signInOptionsSchema } as const
const otherPlugins = ['connectors', 'webhooks', 'telemetry', 'admin']

/** @throws UsageError, without what the file says: it may hold secrets */
export async function readSettings (file: string): Promise<Settings> {
  const text = await readFile(file, 'utf8')
  let settings: unknown
  try {
    settings = JSON.parse(text)
  } catch {
    throw new UsageError(`${file} is no JSON`)
  }
  if (!isObject(settings)) throw new UsageError(`${file} holds no JSON object`)
  return settings
}

/** A text at a path of names. */
export function textAt (settings: Settings, ...path: readonly string[]): string | undefined {
  const value = path.reduce<unknown>((found, name) => isObject(found) && Object.hasOwn(found, name) ? found[name] : undefined, settings)
  return typeof value === 'string' ? value : undefined
}

/** The options as far as they were given. */
export async function examineSettings (report: Report, settings: Settings): Promise<void> {
  await report.check('options', (wrong) => {
    for (const name of Object.keys(settings)) {
      if (name !== 'publicUrl' && !Object.hasOwn(schemas, name) && !otherPlugins.includes(name)) wrong(`${name}: unknown option`, 'take it out, or mend its spelling: the app does not start with it')
    }
    for (const [name, schema] of Object.entries(schemas)) {
      const options = settings[name]
      if (options === undefined) continue
      const problem = problemOf(() => { checkOptions(name, schema, options) })
      if (problem !== null) wrong(problem, 'mend the option: the app does not start with it')
      if (isObject(options) && options['allowInsecure'] === true) wrong(`${name}.allowInsecure is switched on`, 'take it out wherever it is not for a test or a demo: it lets secrets go over plain http')
    }
    return 'nothing is wrong with them'
  })
}

/** The app's external address. */
export async function examinePublicUrl (report: Report, publicUrl: string | undefined): Promise<void> {
  await report.check('publicUrl', (wrong) => {
    if (publicUrl === undefined || publicUrl === '') {
      wrong('it is not given', 'set publicUrl (--public-url, or DWA_PUBLIC_URL): without it no connection can be authorized, and nobody can sign in')
      return ''
    }
    const problem = problemOf(() => readPublicUrl(publicUrl, 'publicUrl'))
    if (problem !== null) wrong(problem, 'give the https address at which browsers reach the app')
    else if (isLoopbackHost(new URL(publicUrl).hostname)) wrong('it names this machine alone', 'give the https address at which browsers reach the app')
    return publicUrl
  })
}

function problemOf (examine: () => unknown): string | null {
  try {
    examine()
    return null
  } catch (error) {
    if (!isAuthError(error, 'DWA_OPTIONS_INVALID')) throw error
    return error.message
  }
}

function isObject (value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
