import { randomUUID } from 'node:crypto'
import { AuthorizationCodes } from './authorization-codes.js'
import { Clients } from './clients.js'
import { FileCabinets } from './file-cabinets.js'
import type { DocuWareLifetimes, DocuWareUser, Settings } from './options.js'
import { SecretsIssued } from './secrets-issued.js'
import type { SigningKey } from './signing-key.js'
import type { DocuWareSwitches } from './switches.js'
import { Tokens } from './tokens.js'

/** A DocuWare organization. */
export interface DocuWareOrganization {
  readonly id: string
  readonly name: string
  readonly guid: string
}

/** Where the two halves and the bystander are. */
export interface TenantUrls {
  readonly platform: string
  readonly identity: string
  /** An origin. */
  readonly foreign: string
}

/** The state that both halves share. */
export class Tenant {
  readonly organization: DocuWareOrganization
  readonly user: DocuWareUser
  readonly clients: Clients
  readonly switches: DocuWareSwitches
  readonly lifetimes: DocuWareLifetimes
  readonly key: SigningKey
  readonly secrets = new SecretsIssued()
  readonly codes = new AuthorizationCodes()
  readonly tokens = new Tokens()
  readonly cabinets: FileCabinets
  readonly usersCreated: Array<{ readonly [name: string]: unknown }> = []
  readonly loginTokens = new Set<string>()
  readonly urls: () => TenantUrls
  readonly #now: () => number

  constructor (settings: Settings, key: SigningKey, urls: () => TenantUrls) {
    this.organization = { id: '1', name: settings.organization, guid: lettered(randomUUID()) }
    this.user = settings.user
    this.secrets.add('passwords', settings.user.password)
    this.secrets.add('passphrases', settings.passphrase)
    this.clients = new Clients(settings.clientId, settings.clientSecret, settings.redirectUris, this.secrets)
    this.switches = settings.switches
    this.lifetimes = settings.lifetimes
    this.#now = settings.now
    this.key = key
    this.urls = urls
    this.cabinets = new FileCabinets(settings.fileCabinets, () => this.now())
  }

  /** The simulator's time in milliseconds since 1970. */
  now (): number {
    return this.#now() + this.switches.clockOffsetMs
  }

  /** The issuer as discovery and tokens name it. */
  issuer (letters = this.switches.issuerCase): string {
    const { origin, pathname } = new URL(this.urls().identity)
    return origin + (letters === 'upper' ? pathname.toUpperCase() : pathname)
  }
}

/** A GUID that has upper- and lower-case forms. */
function lettered (guid: string): string {
  return `a${guid.slice(1)}`
}
