import type { mongo } from 'mongoose'
import { stateIndexes } from '../../oauth-client/authorization-state.js'
import { logIndexes, readLogCollection } from '../../log/log-collection.js'
import { excessPrivileges } from '../../log/privileges.js'
import { interactionIndexes } from '../../provider/interactions.js'
import { familyIndexes } from '../../provider/token-families.js'
import { recordKinds } from '../../record-kinds.js'
import { sessionIndexes } from '../../sign-in/sessions.js'
import type { DocumentIndex } from '../../store/document-collection.js'
import { failureIndexes } from '../../store/failure-locks.js'
import { outboxIndex } from '../../store/outbox.js'
import { indexesOf } from '../../store/record-schema.js'
import { deliveryIndexes } from '../../webhooks/deliveries.js'
import type { Report } from './report.js'

/** As much of an index as matters: without the one it is slow, without the other wrong. */
interface Index { readonly keys: object, readonly unique: boolean, readonly expires: boolean }

const documents: ReadonlyMap<string, readonly DocumentIndex[]> = new Map([
  ['token_families', [...familyIndexes, { keys: outboxIndex }]],
  ['sessions', [...sessionIndexes, { keys: outboxIndex }]],
  ['interactions', interactionIndexes],
  ['failures', failureIndexes],
  ['authorization_states', stateIndexes],
  ['webhook_deliveries', deliveryIndexes]
])

const mebibyte = 1024 * 1024
/** Bytes: less is full within hours, and what is old goes. */
const smallLog = 16 * mebibyte

/** The audit log's collection. */
export async function examineLog (report: Report, db: mongo.Db, name: string): Promise<void> {
  await report.check('audit log', async (wrong) => {
    const state = await readLogCollection(db, name)
    if (state === null || (!state.capped && state.count === 0)) wrong(`there is no collection ${name}`, 'start the app: it makes it, if its MongoDB user may')
    else if (!state.capped) wrong(`the collection ${name} is not capped: it grows without bound, and the app does not start`, `run db.runCommand({ convertToCapped: "${name}", size: ${4 * smallLog} }), and start the app`)
    else if (state.maxSize < smallLog) wrong(`it holds ${Math.round(state.maxSize / mebibyte)} MiB: what is older goes soon`, `run db.runCommand({ collMod: "${name}", cappedSize: ${4 * smallLog} }) (MongoDB 6.0 or newer), and set store.log.size`)
    return `capped at ${Math.round((state?.maxSize ?? 0) / mebibyte)} MiB, ${Math.round(100 * (state?.size ?? 0) / Math.max(1, state?.maxSize ?? 0))} % full`
  })
}

/** What the log's own credential may do. */
export async function examineLogPrivileges (report: Report, db: mongo.Db, name: string): Promise<void> {
  await report.check('log privileges', async (wrong) => {
    const excess = await excessPrivileges(db, name)
    if (excess.length > 0) wrong(`the log's credential may do more than insert and find: ${excess.join(', ')}`, 'give it a role of its own, as docs/operations.md says')
    return 'its credential may insert and find, and nothing else'
  })
}

/** The indexes of every collection that there is; one that is not belongs to a plugin that was never used. */
export async function examineIndexes (report: Report, db: mongo.Db, prefix: string): Promise<void> {
  await report.check('indexes', async (wrong) => {
    const present = new Set((await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name))
    const expected = expectedIndexes().filter(({ collection }) => present.has(prefix + collection))
    for (const { collection, indexes } of expected) {
      const found = (await db.collection(prefix + collection).listIndexes().toArray()).map((index: mongo.Document) => describe({ keys: Object(index['key']), unique: index['unique'] === true, expires: index['expireAfterSeconds'] !== undefined }))
      for (const index of indexes) {
        if (!found.includes(describe(index))) wrong(`${prefix}${collection} lacks the index ${describe(index)}`, 'restart the app: it makes its indexes at start, and its log says why where it cannot')
      }
    }
    return `those of ${expected.length} collections are there`
  })
}

function expectedIndexes (): Array<{ readonly collection: string, readonly indexes: readonly Index[] }> {
  return [
    { collection: 'log', indexes: logIndexes.map(({ key, unique }) => ({ keys: key, unique: unique === true, expires: false })) },
    ...[...recordKinds.map((kind) => [kind.collection, indexesOf(kind)] as const), ...documents].map(([collection, indexes]) => ({
      collection,
      indexes: indexes.map(({ keys, unique, expireAfterSeconds }) => ({ keys, unique: unique === true, expires: expireAfterSeconds !== undefined }))
    }))
  ]
}

function describe ({ keys, unique, expires }: Index): string {
  return `${JSON.stringify(keys)}${unique ? ' unique' : ''}${expires ? ' expiring' : ''}`
}
