import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { systemClock } from '../clock.js'
import type { Verification } from '../log/audit-log.js'
import { readHeads, type Head } from '../log/heads.js'
import { logCollection, readLogCollection } from '../log/log-collection.js'
import { againWhenOverwritten, verifyLog as verify } from '../log/verify.js'
import type { Database } from '../store/database.js'
import { LoadedKeyRing } from '../store/key-ring.js'
import { openKeyRing, readKeyRing, type KeyRingDocument } from '../store/key-ring-document.js'
import type { MasterKey } from '../store/master-key.js'
import { databaseHelp, databaseOptions, logHelp, logOptions, readAddress, readKeys, readLogAddress } from './database-arguments.js'
import { withDatabase } from './open-database.js'
import { UsageError, type Terminal } from './terminal.js'

export const verifyLogHelp = `fastify-docuware-auth verify-log --uri <address> --key-file <path> [options]

Checks every entry of the audit log against its chain and the checkpoints. Changes nothing.
Exit code: 0 sound, 1 broken (the first bad entry is named), 2 could not look.

${databaseHelp}
${logHelp}
  --anchor <path>      lines of the app's own log: the checkpoints in it count as well`

/** @returns the exit code */
export async function verifyLog (args: string[], terminal: Terminal): Promise<number> {
  const { values } = parseArgs({ args, options: { ...databaseOptions, ...logOptions, anchor: { type: 'string', multiple: true } } })
  if (values.help) {
    terminal.say(verifyLogHelp)
    return 0
  }
  const masterKeys = await readKeys(values.key ?? [], values['key-file'], terminal)
  const anchors = await readAnchors(values.anchor ?? [])
  const logUri = readLogAddress(values['log-uri'], terminal)
  const result = await withDatabase(readAddress(values.uri, terminal), '--uri', async (database) => {
    const keyRing = await openRing(database, `${values.prefix}keys`, masterKeys)
    const look = async (log: Database): Promise<Verification> => await verifyIn(log, `${values.prefix}log`, keyRing, anchors)
    return logUri === undefined ? await look(database) : await withDatabase(logUri, '--log-uri', look)
  })
  if (values.json) terminal.say(JSON.stringify(result))
  else if (result.firstBad === undefined) terminal.say(`sound: ${result.entries} entries in ${result.chains} chains`)
  else terminal.say(`broken: chain ${result.firstBad.chain}, seq ${result.firstBad.seq}: ${result.firstBad.problem}`)
  if (result.unanchoredFront) terminal.complain('The oldest entries were evicted before any surviving checkpoint covers them.')
  return result.ok ? 0 : 1
}

async function openRing ({ db }: Database, name: string, masterKeys: readonly MasterKey[]): Promise<LoadedKeyRing> {
  const ring = await readKeyRing(db.collection<KeyRingDocument>(name))
  if (ring === null) throw new UsageError(`there is no key ring in ${name}`)
  const keyRing = new LoadedKeyRing(async () => openKeyRing(ring, masterKeys), systemClock)
  await keyRing.reload()
  return keyRing
}

async function verifyIn ({ db }: Database, name: string, keyRing: LoadedKeyRing, anchors: readonly Head[]): Promise<Verification> {
  if (await readLogCollection(db, name) === null) throw new UsageError(`there is no collection ${name}`)
  return await againWhenOverwritten(async () => await verify({ db, collection: logCollection(db, name), keyRing, anchors }))
}

/** The heads in lines of JSON; other lines of the app's log are passed over. */
async function readAnchors (files: readonly string[]): Promise<Head[]> {
  const anchors: Head[] = []
  for (const file of files) {
    const heads = (await readFile(file, 'utf8')).split('\n').filter((line) => line.includes('"heads"')).flatMap((line) => readHeads(JSON.parse(line)))
    if (heads.length === 0) throw new UsageError(`${file} holds no checkpoint`)
    anchors.push(...heads)
  }
  return anchors
}
