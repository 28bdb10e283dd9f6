import type { mongo } from 'mongoose'
import { isAuthError } from '../../errors.js'
import type { SecretAlgorithm } from '../../jwt/algorithms.js'
import { findSecretProblem } from '../../jwt/secret-strength.js'
import { connectionKind } from '../../docuware/connection-kind.js'
import { validatorKind } from '../../jwt/validator-kind.js'
import { clientKind } from '../../provider/client-kind.js'
import { recordKinds } from '../../record-kinds.js'
import type { KeyRing } from '../../store/key-ring.js'
import type { RecordDocument } from '../../store/outbox.js'
import type { RecordKind } from '../../store/record-collection.js'
import { secretBinding } from '../../store/stored-records.js'
import { livingRecords } from './living-records.js'
import type { Report, Wrong } from './report.js'

export interface StoredThings {
  readonly db: mongo.Db
  readonly prefix: string
  /** Null when no secret can be read. */
  readonly keyRing: KeyRing | null
}

/** Every stored secret, validators, connections and clients. */
export async function examineRecords (report: Report, things: StoredThings): Promise<void> {
  await report.check('secrets', async (wrong) => await examineSecrets(wrong, things))
  await report.check('validators', async (wrong) => await examineValidators(wrong, things))
  await report.check('connections', async (wrong) => await examineConnections(wrong, things))
  await report.check('clients', async (wrong) => await examineClients(wrong, things))
}

async function examineSecrets (wrong: Wrong, things: StoredThings): Promise<string> {
  const { keyRing } = things
  if (keyRing === null) return 'not read: the key ring is not open'
  let readable = 0
  for (const kind of recordKinds.filter(({ secrets }) => secrets.length > 0)) {
    for await (const record of livingRecords(things.db, things.prefix, kind)) {
      for (const field of kind.secrets.filter((name) => typeof record[name] === 'string')) {
        if (await readSecret(keyRing, kind, record, field) !== null) readable++
        else wrong(`${kind.collection} ${nameOf(kind, record)}: ${field} cannot be decrypted`, 'set it anew: it was altered, or comes from another database')
      }
    }
  }
  return `${readable} can be read`
}

async function examineValidators (wrong: Wrong, things: StoredThings): Promise<string> {
  const kind = validatorKind
  let count = 0
  for await (const record of livingRecords(things.db, things.prefix, kind)) {
    count++
    const name = nameOf(kind, record)
    const { secretKey, signatureType, secretAlgorithm } = record
    if (record['enabled'] === false) continue
    if (signatureType === 'secret' && typeof secretKey === 'string' && things.keyRing !== null) {
      const secret = await readSecret(things.keyRing, kind, record, 'secretKey')
      const problem = secret === null ? null : findSecretProblem(secret, readAlgorithm(secretAlgorithm), false)
      if (problem !== null) wrong(`${name}: its secret ${problem}`, 'agree on a new random one with the issuer (openssl rand -base64 48)')
    }
  }
  return `nothing is wrong with ${count}`
}

async function examineConnections (wrong: Wrong, things: StoredThings): Promise<string> {
  const kind = connectionKind
  let count = 0
  for await (const record of livingRecords(things.db, things.prefix, kind)) {
    count++
    const name = nameOf(kind, record)
    const reason = typeof record['statusMessage'] === 'string' ? `: ${record['statusMessage']}` : ''
    if (record['status'] === 'reauthorize') wrong(`${name} must be authorized again${reason}`, 'let a person authorize it')
    if (record['status'] === 'error') wrong(`${name} is refused as a client${reason}`, 'look at its registration in DocuWare: the secret has expired, or the client is gone')
  }
  return `nothing is wrong with ${count}`
}

async function examineClients (wrong: Wrong, things: StoredThings): Promise<string> {
  const kind = clientKind
  const legacy = [
    ['allowPassword', 'may use the password grant', 'move it to the code grant, and switch allowPassword off'],
    ['allowImplicit', 'may use the implicit grant', 'move it to the code grant with PKCE, and switch allowImplicit off'],
    ['allowHttpRedirect', 'may be redirected to over plain http', 'give it https redirect URIs, and switch allowHttpRedirect off'],
    ['tokenInQuery', 'may send tokens in a query', 'let it send them in the Authorization header, and switch tokenInQuery off']
  ] as const
  let count = 0
  for await (const record of livingRecords(things.db, things.prefix, kind)) {
    count++
    if (record['enabled'] === false) continue
    const name = nameOf(kind, record)
    for (const [field, problem, remedy] of legacy) if (record[field] === true) wrong(`${name} ${problem}`, remedy)
    if (record['requirePkce'] === false) wrong(`${name} need not use PKCE`, 'let it send a code_challenge, and switch requirePkce on')
  }
  return `nothing is wrong with ${count}`
}

/** @returns null when it cannot be decrypted */
async function readSecret (keyRing: KeyRing, kind: RecordKind, { _id, ...fields }: RecordDocument, field: string): Promise<string | null> {
  const reading = keyRing.decrypt(String(Reflect.get(fields, field)), secretBinding(kind, _id.toHexString(), field))
  return await reading.catch(async (error: unknown) => isAuthError(error, 'DWA_STORE_UNREADABLE_SECRET') ? null : await reading)
}

function nameOf ({ nameField }: RecordKind, record: RecordDocument): string {
  return JSON.stringify(record[nameField])
}

function readAlgorithm (stored: unknown): SecretAlgorithm {
  return stored === 'HS384' || stored === 'HS512' ? stored : 'HS256'
}
