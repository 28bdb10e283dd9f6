import { MongoBackend } from '@agendajs/mongo-backend'
import { Agenda } from 'agenda'
import Fastify from 'fastify'
import { MongoClient } from 'mongodb'
import docuwareAuth from '../../index.js'
import { publicUrl } from '../docuware/caller.js'
import { eventually, masterKey } from '../store-app.js'

/** A whole app in a process of its own. It uses its connection, has Agenda run a sync, tells of an error, closes, and has nothing to do any more. */
const [uri = '', dsn = ''] = process.argv.slice(2)

const client = await MongoClient.connect(uri)
const agenda = new Agenda({ backend: new MongoBackend({ mongo: client.db() }), processEvery: 50 })
const app = Fastify()
await app.register(docuwareAuth, { store: { uri, secretKeys: [masterKey] }, publicUrl, docuware: { queue: agenda, allowInsecure: true }, telemetry: {} })
await app.ready()
await app.telemetry.set({ dsn })
const dw = app.docuware.client('acme')
await dw.whoami()
await dw.fileCabinets()
const { queued } = await app.docuware.sync('acme')
await eventually('Agenda has run the sync', async () => (await app.docuware.connections.get('acme'))?.lastSync?.ok === true)
app.telemetry.capture(new Error('the last words'))
await app.close()
await client.close()
process.send?.({ queued })
process.disconnect()
