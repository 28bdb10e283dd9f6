import { parseArgs } from 'node:util'
import { systemClock } from '../clock.js'
import { recordKinds } from '../record-kinds.js'
import type { Logger } from '../store/logger.js'
import { OpenedStore } from '../store/open-store.js'
import { logSettings } from '../store/store-options.js'
import { rotateKeys as rotate } from '../store/rotate-keys.js'
import { databaseHelp, databaseOptions, readAddress, readKeys } from './database-arguments.js'
import { UsageError, type Terminal } from './terminal.js'

export const rotateKeysHelp = `fastify-docuware-auth rotate-keys --uri <address> --key <new> --key <old> [options]

Wraps the database's data keys with the first master key. The others must open them now.
Give the running processes both keys before, and the new one alone afterwards.
Exit code: 0 done, 1 done but for stored secrets that could not be read, 2 not done.

${databaseHelp}
  --data-key           also make a new data key and encrypt every stored secret with it`

/** @returns the exit code */
export async function rotateKeys (args: string[], terminal: Terminal): Promise<number> {
  const { values } = parseArgs({ args, options: { ...databaseOptions, 'data-key': { type: 'boolean', default: false } } })
  if (values.help) {
    terminal.say(rotateKeysHelp)
    return 0
  }
  const masterKeys = await readKeys(values.key, values['key-file'], terminal)
  const store = new OpenedStore({
    source: { uri: readAddress(values.uri, terminal) },
    masterKeys,
    collectionPrefix: values.prefix,
    publicUrl: null,
    log: logSettings(),
    clock: systemClock,
    logger: complaining(terminal)
  })
  try {
    await store.start({ existingOnly: true })
    if (!store.available) throw new UsageError('the database cannot be reached')
    const result = await rotate(store, { masterKeys, dataKey: values['data-key'], kinds: recordKinds, now: systemClock.now })
    if (values.json) terminal.say(JSON.stringify(result))
    else terminal.say(`${result.changed ? 'rotated' : 'nothing to rotate'}: data key ${result.current}, wrapped by ${masterKeys[0].fingerprint}, ${result.reencrypted} secrets encrypted anew`)
    for (const secret of result.unreadable) terminal.complain(`cannot be read: ${secret}`)
    return result.unreadable.length === 0 ? 0 : 1
  } finally {
    await store.close()
  }
}

function complaining (terminal: Terminal): Logger {
  const complain = (_details: object, message: string): void => { terminal.complain(message) }
  return { info () {}, warn: complain, error: complain }
}
