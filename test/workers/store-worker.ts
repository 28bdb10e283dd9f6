import { systemClock } from '../../lib/clock.js'
import { readMasterKey } from '../../lib/store/master-key.js'
import { OpenedStore } from '../../lib/store/open-store.js'
import { masterKey, otherMasterKey, thingKind, type Thing } from '../store-app.js'

/** Another process on the same database. What it does is its second argument; it stops when told `stop`. */
const [uri = '', task = ''] = process.argv.slice(2)
let armed = false

const store = new OpenedStore({
  source: { uri },
  masterKeys: [readMasterKey(masterKey, 'key'), readMasterKey(otherMasterKey, 'key')],
  collectionPrefix: 'dwa_',
  publicUrl: null,
  log: { size: 1 << 24, personalData: false, requireInsertOnly: false, spool: 1000 },
  clock: {
    ...systemClock,
    now () {
      // The log's writer asks for the time as it seals an entry: after the record was written, before the log is.
      if (armed && new Error().stack?.includes('sealAll') === true) process.kill(process.pid, 'SIGKILL')
      return systemClock.now()
    }
  },
  logger: { info () {}, warn: console.error, error: console.error }
})
const things = store.records<Thing>(thingKind)
const stop = new AbortController()
process.on('message', (message) => { if (message === 'stop') stop.abort() })
const stopped = new Promise<void>((resolve) => { stop.signal.addEventListener('abort', () => { resolve() }) })

await store.start()
process.send?.({ ready: true, keyId: store.keyRing.current('test').keyId })

if (task.startsWith('die ')) {
  const [, verb, id = ''] = task.split(' ')
  armed = true
  if (verb === 'create') await things.create({ name: 'created by the dead', pin: '1234' })
  if (verb === 'remove') await things.remove(id, 1)
}

if (task === 'append') {
  for (let i = 0; i < 200; i++) await store.log.append('thing.seen', { details: { i } })
  await stopped
}

if (task === 'update') {
  await stopped
  const thing = await things.getByName('shared')
  if (thing !== null) await things.update(thing.id, thing.version, { colour: 'blue' })
}

if (task === 'load') {
  let rounds = 0
  const failures: string[] = []
  const mine = await things.create({ name: `of ${process.pid}`, pin: '0' })
  for (let version = 1; !stop.signal.aborted; version++) {
    try {
      const before = await things.secrets(mine.id)
      if (before['pin'] !== String(version - 1)) failures.push(`read ${before['pin']}, not ${version - 1}`)
      for (const thing of await things.list()) await things.secrets(thing.id)
      await things.update(mine.id, version, { pin: String(version) })
      rounds++
    } catch (error) {
      failures.push(String(error))
      break
    }
  }
  process.send?.({ rounds, failures })
}

if (task === 'open') await stopped
await store.close()
process.disconnect()
