import { readFile } from 'node:fs/promises'
import { checkSignInUrl } from '../../admin/admin-options.js'
import { systemClock } from '../../clock.js'
import type { DeclaredConnector } from '../../connectors/connectors-options.js'
import { declaredConnectors } from '../../connectors/declared-connectors.js'
import { isAuthError } from '../../errors.js'
import { isLoopbackHost } from '../../http/private-address.js'
import { checkOptions } from '../../options.js'
import { pluginSchemas, umbrellaOptionsSchema } from '../../plugin-options.js'
import { readIssuer } from '../../provider/issuer.js'
import { IdentityProvider } from '../../sign-in/identity-provider.js'
import { readPublicUrl } from '../../store/public-url.js'
import { UsageError } from '../terminal.js'
import { withoutFunctions } from './json-schema.js'
import type { Report } from './report.js'

/** As much of the umbrella plugin's options as JSON can say. */
export type Settings = Readonly<Record<string, unknown>>

const schemas = new Map(Object.entries(pluginSchemas).map(([name, schema]) => [name, withoutFunctions(schema)]))

/** What plugins check of the addresses in their options, of options that fit the schema. */
const checksBeyond = new Map<string, (options: unknown) => void>([
  ['provider', (options) => { readIssuer(textAt(options, 'issuer') ?? '', settingAt(options, 'allowInsecure') === true) }],
  ['connectors', (options) => {
    const kept = Object.entries(Object(settingAt(options, 'declared'))).filter(([, connector]) => settingAt(connector, 'auth', 'type') !== undefined) // the strategy of any other is code
    declaredConnectors(Object.fromEntries(kept) as Record<string, DeclaredConnector>, settingAt(options, 'allowInsecure') === true)
  }],
  ['admin', (options) => { checkSignInUrl(textAt(options, 'signInUrl')) }],
  ['signIn', (options) => { Reflect.construct(IdentityProvider, [{ ...Object(options), now: systemClock.now }]) }]
])

const mend = 'mend the option: the app does not start with it'

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

/** What is at a path of names. */
export function settingAt (settings: unknown, ...path: readonly string[]): unknown {
  return path.reduce((found, name) => isObject(found) && Object.hasOwn(found, name) ? found[name] : undefined, settings)
}

/** A text at a path of names. */
export function textAt (settings: unknown, ...path: readonly string[]): string | undefined {
  const value = settingAt(settings, ...path)
  return typeof value === 'string' ? value : undefined
}

/**
 * The options, each plugin's with its own schema.
 * @param given what of `store` was said elsewhere
 * @returns those of the plugins that would take them
 */
export async function examineSettings (report: Report, settings: Settings, given: object): Promise<Settings> {
  const sound = new Map<string, unknown>()
  const { store } = settings
  const whole: Settings = { ...settings, store: store === undefined || isObject(store) ? { ...given, ...store } : store }
  await report.check('options', (wrong) => {
    for (const [name, options] of Object.entries(whole)) {
      const problem = problemOf(() => {
        checkOptions('docuwareAuth', umbrellaOptionsSchema, { store: {}, [name]: options })
        checkOptions(name, schemas.get(name) ?? {}, options)
        checksBeyond.get(name)?.(options)
      })
      if (problem === null) sound.set(name, options)
      else wrong(problem, mend)
      if (settingAt(options, 'allowInsecure') === true) wrong(`${name}.allowInsecure is switched on`, 'take it out wherever it is not for a test or a demo: it lets secrets go over plain http')
    }
    return 'nothing is wrong with them'
  })
  return Object.fromEntries(sound)
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
