import { parseArgs } from 'node:util'
import { systemClock } from '../clock.js'
import { isAuthError } from '../errors.js'
import { Database } from '../store/database.js'
import { silentLogger } from '../store/logger.js'
import { logHelp, logOptions, quietHelp, quietOptions, readKeyTexts, readLogAddress, type GivenKey } from './database-arguments.js'
import { examineIndexes, examineLog, examineLogPrivileges } from './doctor/collections.js'
import { examineKeyRing, examineMasterKeys } from './doctor/keys.js'
import { declaredPeers, examinePeers, storedPeers } from './doctor/peers.js'
import { examineRecords } from './doctor/records.js'
import { Report } from './doctor/report.js'
import { examineNode, examineServer } from './doctor/server.js'
import { examinePublicUrl, examineSettings, readSettings, settingAt, textAt, type Settings } from './doctor/settings.js'
import { UsageError, type Terminal } from './terminal.js'

const help = `fastify-docuware-auth doctor --uri <address> [options]

Looks for what is wrong with a configuration, its database, and the servers that the app calls, and says what to do. Changes nothing in it.
Exit code: 0 nothing found, 1 something found or a check failed, 2 could not look.

${quietHelp}
  --public-url <url>   the app's publicUrl (or DWA_PUBLIC_URL in the environment)
${logHelp}
  --config <path>      a JSON file with the app's options, functions left out: address, keys and the rest are taken from it where nothing else says them
  --offline            calls nobody but the database`

/** @returns the exit code */
export async function doctor (args: string[], terminal: Terminal): Promise<number> {
  const { prefix: prefixOption, ...others } = quietOptions
  const { values } = parseArgs({ args, options: { ...others, prefix: { type: 'string' }, ...logOptions, 'public-url': { type: 'string' }, config: { type: 'string' }, offline: { type: 'boolean', default: false } } })
  if (values.help) {
    terminal.say(help)
    return 0
  }
  const { env, nodeVersion = process.versions.node, clock = systemClock } = terminal
  const settings = values.config === undefined ? {} : await readSettings(values.config)
  const uri = values.uri ?? env['DWA_URI'] ?? textAt(settings, 'store', 'uri')
  if (uri === undefined || uri === '') throw new UsageError('--uri (or DWA_URI, or store.uri in --config) is missing')
  const logUri = readLogAddress(values['log-uri'], terminal) ?? textAt(settings, 'store', 'log', 'uri')
  const prefix = values.prefix ?? textAt(settings, 'store', 'collectionPrefix') ?? prefixOption.default

  const report = new Report((what) => { terminal.doing?.(what) })
  await examineNode(report, nodeVersion)
  const given = await readKeyTexts([], values['key-file'], terminal)
  const publicUrl = values['public-url'] ?? env['DWA_PUBLIC_URL'] ?? textAt(settings, 'publicUrl')
  const sound = values.config === undefined ? {} : await examineSettings(report, settings, { uri, ...(given.length === 0 ? {} : { secretKeys: given.map(({ text }) => text) }) })
  await examinePublicUrl(report, publicUrl)
  const masters = await examineMasterKeys(report, given.length > 0 ? given : keysIn(settings))

  const known = { ...sound, publicUrl }
  const peers = declaredPeers(known, clock.now)

  await withDatabase(report, 'database', uri, '--uri', async (database) => {
    const { db } = database
    await examineServer(report, db, uri, () => clock.now())
    const ring = await examineKeyRing(report, db, `${prefix}keys`, masters)
    if (ring.missing) return
    if (logUri === undefined) await examineLog(report, db, `${prefix}log`)
    await examineIndexes(report, db, prefix)
    await examineRecords(report, { db, prefix, keyRing: ring.opened })
    peers.push(...await storedPeers(report, db, prefix, known, clock.now))
  })
  if (logUri !== undefined) {
    await withDatabase(report, 'log database', logUri, '--log-uri', async ({ db }) => {
      await examineLog(report, db, `${prefix}log`)
      await examineLogPrivileges(report, db, `${prefix}log`)
    })
  }
  await examinePeers(report, peers, values.offline)
  show(report, values.json, terminal)
  return report.ok ? 0 : 1
}

/** Examines a database if it can be reached. */
async function withDatabase (report: Report, check: string, uri: string, option: string, examine: (database: Database) => Promise<void>): Promise<void> {
  const database = await report.attempt(check, async () => new Database({ uri }, option, systemClock, silentLogger))
  if (database === null) return
  try {
    let reached = false
    await report.check(check, async (wrong) => {
      try {
        reached = await database.connect(5000)
        if (!reached) wrong('it cannot be reached', 'see whether MongoDB runs, and whether address and firewall let this machine in')
      } catch (error) {
        if (!isAuthError(error, 'DWA_OPTIONS_INVALID')) throw error
        wrong(error.message, 'mend user name and password in the address', error.code)
      }
      return 'it can be reached'
    })
    if (reached) await examine(database)
  } finally {
    await database.close()
  }
}

function keysIn (settings: Settings): GivenKey[] {
  const keys = settingAt(settings, 'store', 'secretKeys')
  return Array.isArray(keys) ? keys.filter((text) => typeof text === 'string').map((text, index) => ({ text, from: `store.secretKeys[${index}]` })) : []
}

function show ({ findings, ok }: Report, json: boolean, { say }: Terminal): void {
  if (json) return say(JSON.stringify({ ok, findings }))
  for (const { check, ok: healthy, message, remedy } of findings) {
    say(`${healthy ? 'ok    ' : 'WRONG '} ${check}: ${message}`)
    if (remedy !== null) say(`       → ${remedy}`)
  }
  const wrong = findings.filter(({ ok: healthy }) => !healthy).length
  say(wrong === 0 ? 'nothing is wrong' : `${wrong} found`)
}
