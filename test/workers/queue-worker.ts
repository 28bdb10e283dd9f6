import { MongoBackend } from '@agendajs/mongo-backend'
import { Agenda } from 'agenda'
import { MongoClient } from 'mongodb'
import { systemClock } from '../../lib/clock.js'
import { openQueue } from '../../lib/docuware/queue/open-queue.js'

/** Another process with the same Agenda collection. It says which jobs it begins, and closes its queue when told `stop`. `hang`: its jobs never end. `own`: Agenda makes the connection. */
const [uri = '', task = ''] = process.argv.slice(2)
const client = new MongoClient(uri)
const agenda = new Agenda({ backend: new MongoBackend(task === 'own' ? { address: uri } : { mongo: client.db() }), processEvery: 50 })
const queue = openQueue(agenda, { clock: systemClock, logger: { info () {}, warn: console.error, error: console.error } })

queue.process('sync', async ({ connection }) => {
  process.send?.({ began: connection })
  if (task === 'hang') await new Promise(() => {})
})
const stopped = new Promise<void>((resolve) => { process.on('message', () => { resolve() }) })
process.send?.({ ready: true })

await stopped
await queue.close()
await client.close()
process.send?.({ closed: true }, () => { process.disconnect() })
