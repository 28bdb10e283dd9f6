import { randomBytes, randomUUID } from 'node:crypto'
import { checkOptions } from '../../lib/options.js'
import { defaultSwitches, switchSchemas, type DocuWareSwitches } from './switches.js'

/** The person who signs in. */
export interface DocuWareUser {
  readonly username: string
  readonly password: string
  /** The subject of id_tokens, and the user's id on the platform. */
  readonly sub: string
  readonly name: string
  readonly email: string
}

/** A file cabinet to start with. */
export interface FileCabinetSeed {
  /** Default: a new GUID. */
  readonly id?: string
  readonly name: string
  /** How many documents it has; they are generated when they are read. At most 1 000 000. Default: 25. */
  readonly documents?: number
  /** Bytes of each document's file, at most 1 GiB. Default: 4096. */
  readonly fileBytes?: number
  /** A document tray. Default: false. */
  readonly isBasket?: boolean
}

/** Lifetimes, in seconds. */
export interface DocuWareLifetimes {
  /** Default: 60. */
  readonly code: number
  /** Default: 3600. */
  readonly accessToken: number
  /** Default: 300. */
  readonly idToken: number
  /** From each refresh on. Default: 30 days. */
  readonly refreshToken: number
  /** From the sign-in on, whatever is refreshed. Default: 90 days. */
  readonly refreshTokenAbsolute: number
}

/** How a simulator is started; every switch may be given too. */
export interface DocuWareOptions extends Partial<DocuWareSwitches> {
  /** The organization's name. Default: `acme`. */
  readonly organization?: string
  /** Compared byte for byte; more can be added with `addRedirectUri`. Default: none. */
  readonly redirectUris?: readonly string[]
  /** Default: a new GUID. */
  readonly clientId?: string
  /** Null: a native app, which has none and must use PKCE. Default: a random one. */
  readonly clientSecret?: string | null
  /** Default: `peggy.jenkins` with a random password. */
  readonly user?: Partial<DocuWareUser>
  /** The passphrase that signs webhooks. Default: a random one. */
  readonly passphrase?: string
  /** Default: `Invoices` (25 documents), `Contracts` (3) and the document tray `Inbox` (0). */
  readonly fileCabinets?: readonly FileCabinetSeed[]
  readonly lifetimes?: Partial<DocuWareLifetimes>
  /** Loopback ports. Default: free ones. */
  readonly ports?: { readonly platform?: number, readonly identity?: number }
  /** The simulator's time in milliseconds since 1970. Default: `Date.now`. */
  readonly now?: () => number
}

const text = { type: 'string', minLength: 1 }
const seconds = { type: 'integer', minimum: 1 }
const port = { type: 'integer', minimum: 0, maximum: 65535 }
const object = (properties: object, required: readonly string[] = []): object => ({ type: 'object', additionalProperties: false, properties, required })

const optionsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    ...switchSchemas,
    organization: text,
    redirectUris: { type: 'array', items: text },
    clientId: text,
    clientSecret: { type: ['string', 'null'], minLength: 1 },
    user: object({ username: text, password: text, sub: text, name: text, email: text }),
    passphrase: text,
    fileCabinets: {
      type: 'array',
      items: object({
        id: { type: 'string', pattern: '^[A-Za-z0-9_-]+$' },
        name: text,
        documents: { type: 'integer', minimum: 0, maximum: 1_000_000 },
        fileBytes: { type: 'integer', minimum: 0, maximum: 2 ** 30 },
        isBasket: { type: 'boolean' }
      }, ['name'])
    },
    lifetimes: object({ code: seconds, accessToken: seconds, idToken: seconds, refreshToken: seconds, refreshTokenAbsolute: seconds }),
    ports: object({ platform: port, identity: port }),
    now: { function: true }
  }
}

/** The options with every default filled in, and the switches apart. */
export interface Settings {
  readonly organization: string
  readonly redirectUris: readonly string[]
  readonly clientId: string
  readonly clientSecret: string | null
  readonly user: DocuWareUser
  readonly passphrase: string
  readonly fileCabinets: readonly FileCabinetSeed[]
  readonly lifetimes: DocuWareLifetimes
  readonly ports: { readonly platform: number, readonly identity: number }
  readonly now: () => number
  readonly switches: DocuWareSwitches
}

const day = 86_400

/** Checks the options and fills in the defaults. @throws DWA_OPTIONS_INVALID with the option's path */
export function readOptions (options: DocuWareOptions): Settings {
  checkOptions('startDocuWare', optionsSchema, options)
  const { organization = 'acme', redirectUris = [], clientId = randomUUID(), clientSecret, user, passphrase, fileCabinets, lifetimes, ports, now = Date.now, ...switches } = options
  return {
    organization,
    redirectUris,
    clientId,
    clientSecret: clientSecret === undefined ? randomBytes(24).toString('base64url') : clientSecret,
    user: { username: 'peggy.jenkins', password: randomBytes(9).toString('base64url'), sub: randomUUID(), name: 'Peggy Jenkins', email: 'peggy.jenkins@example.com', ...user },
    passphrase: passphrase ?? randomBytes(24).toString('base64url'),
    fileCabinets: fileCabinets ?? [{ name: 'Invoices', documents: 25 }, { name: 'Contracts', documents: 3 }, { name: 'Inbox', documents: 0, isBasket: true }],
    lifetimes: { code: 60, accessToken: 3600, idToken: 300, refreshToken: 30 * day, refreshTokenAbsolute: 90 * day, ...lifetimes },
    ports: { platform: 0, identity: 0, ...ports },
    now,
    switches: { ...defaultSwitches(), ...switches }
  }
}
