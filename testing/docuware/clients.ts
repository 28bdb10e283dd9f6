import { randomBytes } from 'node:crypto'
import { json, Refusal, type Received } from './exchange.js'
import type { SecretsIssued } from './secrets-issued.js'
import type { DocuWareSwitches } from './switches.js'

/** An app registration. */
export interface Client {
  readonly clientId: string
  /** Empty: a native app. */
  readonly clientSecrets: Set<string>
  /** A native app has no secret at all; one whose secrets have expired is none. */
  readonly native: boolean
  readonly redirectUris: Set<string>
  readonly grantTypes: ReadonlySet<string>
}

/** DocuWare's own client for user names and passwords, known to every tenant. */
const passwordClientId = 'docuware.platform.net.client'

/** The app registrations of the organization: the one the simulator was started with, and DocuWare's own. */
export class Clients {
  readonly app: Client
  readonly #clients: ReadonlyMap<string, Client>
  readonly #secrets: SecretsIssued

  constructor (clientId: string, clientSecret: string | null, redirectUris: readonly string[], secrets: SecretsIssued) {
    this.#secrets = secrets
    const native = clientSecret === null
    this.app = {
      clientId,
      clientSecrets: new Set(clientSecret === null ? [] : [secrets.add('clientSecrets', clientSecret)]),
      native,
      redirectUris: new Set(redirectUris),
      grantTypes: new Set(['authorization_code', 'refresh_token', 'password', ...(native ? [] : ['client_credentials'])])
    }
    const own: Client = { clientId: passwordClientId, clientSecrets: new Set(), native: true, redirectUris: new Set(), grantTypes: new Set(['password']) }
    this.#clients = new Map([own, this.app].map((client) => [client.clientId, client]))
  }

  get (clientId: string): Client | undefined {
    return this.#clients.get(clientId)
  }

  addSecret (secret = randomBytes(24).toString('base64url')): string {
    if (this.app.native) throw new Error('A native app has no client secret')
    this.app.clientSecrets.add(this.#secrets.add('clientSecrets', secret))
    return secret
  }

  /** Without an argument: all of them. */
  expireSecret (secret?: string): void {
    if (secret === undefined) this.app.clientSecrets.clear()
    else this.app.clientSecrets.delete(secret)
  }

  /**
   * The client that sent this form, by client_secret_basic or client_secret_post (RFC 6749 §2.3.1), or by its id alone.
   * @throws Refusal with `invalid_client` or `invalid_request`
   */
  authenticate (received: Received, form: URLSearchParams, switches: DocuWareSwitches): Client {
    const basic = readBasic(received.incoming.headers.authorization)
    const inBody = form.get('client_secret') ?? ''
    if (basic !== null && (inBody !== '' || (form.has('client_id') && form.get('client_id') !== basic.clientId))) throw new Refusal(json(400, { error: 'invalid_request' }))
    const clientId = basic?.clientId ?? form.get('client_id') ?? ''
    const secret = basic?.secret ?? inBody
    const client = this.get(clientId)
    if (client !== undefined && (client.native ? secret === '' : client.clientSecrets.has(secret))) return client
    throw new Refusal(json(basic === null ? switches.invalidClientStatus : 401, { error: 'invalid_client' }, basic === null ? {} : { 'www-authenticate': 'Basic realm="DocuWare"' }))
  }
}

/** The credentials of an Authorization header: form-encoded as RFC 6749 §2.3.1 has it. */
function readBasic (header: string | undefined): { clientId: string, secret: string } | null {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return null
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) return null
  return { clientId: formDecode(text.slice(0, colon)), secret: formDecode(text.slice(colon + 1)) }
}

function formDecode (text: string): string {
  return new URLSearchParams(`x=${text.replaceAll('&', '%26')}`).get('x') ?? ''
}
