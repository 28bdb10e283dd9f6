import { parseArgs } from 'node:util'
import { systemClock } from '../clock.js'
import { recordKinds } from '../record-kinds.js'
import { rotateKeys as rotate } from '../store/rotate-keys.js'
import { databaseHelp, databaseOptions, logHelp, logOptions, readAddress, readKeys, readLogAddress } from './database-arguments.js'
import { withStore } from './open-store.js'
import type { Terminal } from './terminal.js'

export const rotateKeysHelp = `fastify-docuware-auth rotate-keys --uri <address> --key-file <path> [options]

Wraps the database's data keys with the first master key. The others must open them now.
Give the running processes both keys before, and the new one alone afterwards.
Exit code: 0 done, 1 done but for stored secrets that could not be read, 2 not done.

${databaseHelp}
${logHelp}
  --data-key           also make a new data key and encrypt every stored secret with it`

/** @returns the exit code */
export async function rotateKeys (args: string[], terminal: Terminal): Promise<number> {
  const { values } = parseArgs({ args, options: { ...databaseOptions, ...logOptions, 'data-key': { type: 'boolean', default: false } } })
  if (values.help) {
    terminal.say(rotateKeysHelp)
    return 0
  }
  const masterKeys = await readKeys(values.key ?? [], values['key-file'], terminal)
  return await withStore({ uri: readAddress(values.uri, terminal), logUri: readLogAddress(values['log-uri'], terminal), prefix: values.prefix, masterKeys }, terminal, async (store) => {
    terminal.doing?.(values['data-key'] ? 'encrypting secrets anew' : 'wrapping the data keys')
    const result = await rotate(store, { masterKeys, dataKey: values['data-key'], kinds: recordKinds, now: systemClock.now })
    if (values.json) terminal.say(JSON.stringify(result))
    else terminal.say(`${result.changed ? 'rotated' : 'nothing to rotate'}: data key ${result.current}, wrapped by ${masterKeys[0].fingerprint}, ${result.reencrypted} secrets encrypted anew`)
    for (const secret of result.unreadable) terminal.complain(`cannot be read: ${secret}`)
    return result.unreadable.length === 0 ? 0 : 1
  })
}
