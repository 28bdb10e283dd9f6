import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { isAuthError } from '../errors.js'
import { clientKind } from '../provider/client-kind.js'
import type { ClientInput, StoredClient } from '../provider/client-schema.js'
import { maxTokenMs } from '../provider/client-schema.js'
import { ClientSecrets } from '../provider/client-secret.js'
import { Clients, type CreatedClient } from '../provider/clients.js'
import { keyOverlapMs } from '../provider/published-keys.js'
import { KeyMaker } from '../provider/signing-keys.js'
import type { OpenedStore } from '../store/open-store.js'
import { logHelp, logOptions, quietHelp, quietOptions, readAddress, readKeys, readLogAddress } from './database-arguments.js'
import { withStore } from './open-store.js'
import { UsageError, type Terminal } from './terminal.js'

const help = `fastify-docuware-auth create-client --name <name> --type <type> [options]

Makes a client of the OAuth 2 provider. Its secret is shown this once, and kept as a hash.
Exit code: 0 made, 1 refused (the field is named), 2 could not try.

${quietHelp}
${logHelp}
  --name <name>        what people see on the consent page
  --type <type>        web, mobile, legacy or backend
  --redirect-uri <uri> for web and mobile; may be repeated
  --scope <code>       a scope it may ask for; may be repeated
  --skip-authorization nobody is asked for consent
  --from <path>        a JSON file with any fields of a client, an imported clientSecret among them; what is given beside it counts more`

/** @returns the exit code */
export async function createClient (args: string[], terminal: Terminal): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      ...quietOptions,
      ...logOptions,
      name: { type: 'string' },
      type: { type: 'string' },
      'redirect-uri': { type: 'string', multiple: true },
      scope: { type: 'string', multiple: true },
      'skip-authorization': { type: 'boolean' },
      from: { type: 'string' }
    }
  })
  if (values.help) {
    terminal.say(help)
    return 0
  }
  const given = {
    ...(values.from === undefined ? {} : await readFields(values.from)),
    ...(values.name === undefined ? {} : { name: values.name }),
    ...(values.type === undefined ? {} : { applicationType: values.type }),
    ...(values['redirect-uri'] === undefined ? {} : { redirectUris: values['redirect-uri'] }),
    ...(values.scope === undefined ? {} : { scopes: values.scope }),
    ...(values['skip-authorization'] === undefined ? {} : { skipAuthorization: values['skip-authorization'] })
  }
  const store = {
    uri: readAddress(values.uri, terminal),
    logUri: readLogAddress(values['log-uri'], terminal),
    prefix: values.prefix,
    masterKeys: await readKeys(undefined, values['key-file'], terminal)
  }
  try {
    const created = await withStore(store, terminal, async (opened) => await create(opened, given))
    show(created, values.json, terminal)
    return 0
  } catch (error) {
    if (!isAuthError(error) || !(error.code.startsWith('DWA_PROVIDER_') || error.code === 'DWA_STORE_DUPLICATE')) throw error
    if (values.json) terminal.say(JSON.stringify({ code: error.code, field: 'field' in error ? error.field : null, message: error.message }))
    else terminal.complain(`create-client: ${error.message}`)
    return 1
  }
}

async function create (store: OpenedStore, given: object): Promise<CreatedClient> {
  const records = store.records<StoredClient>(clientKind)
  await store.ensureKinds()
  const clients = new Clients({
    records,
    secrets: new ClientSecrets({ keyRing: store.keyRing }),
    keys: new KeyMaker({ overlapMs: keyOverlapMs, maxTokenMs }),
    now: () => store.serverClock.now(),
    onChange () {}, // the processes that run learn of it through the log
    async revokeAll () {} // nothing was issued to it yet
  })
  return await clients.create(given as ClientInput, { actor: { type: 'system', id: null }, message: 'made by the command create-client' }) // checked by its schema in there
}

function show ({ client, clientSecret }: CreatedClient, json: boolean, { say }: Terminal): void {
  if (json) {
    const { id, name, clientId, applicationType, confidential, redirectUris, scopes } = client
    return say(JSON.stringify({ id, name, clientId, clientSecret, applicationType, confidential, redirectUris, scopes }))
  }
  say(`name           ${client.name}`)
  say(`client id      ${client.clientId}`)
  if (clientSecret !== null) say(`client secret  ${clientSecret}   (shown this once)`)
  say(`redirect URIs  ${client.redirectUris.join(' ') || '–'}`)
  say(`scopes         ${client.scopes.join(' ') || '–'}`)
}

async function readFields (file: string): Promise<object> {
  const text = await readFile(file, 'utf8')
  let fields: unknown
  try {
    fields = JSON.parse(text)
  } catch {
    throw new UsageError(`${file} is no JSON`) // without the cause: it quotes the file, which may hold a secret
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) throw new UsageError(`${file} holds no JSON object`)
  return fields
}
