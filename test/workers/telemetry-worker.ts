import http from 'node:http'
import { Session } from 'node:inspector'
import Module from 'node:module'
import Fastify from 'fastify'
import docuwareAuth from '../../index.js'
import { masterKey } from '../store-app.js'

/** An app in a process of its own, to see what the process has loaded and whether it ends by itself. */
const [uri = '', dsn = ''] = process.argv.slice(2)

/** Every script of the SDK that this process has run. */
function sentryScripts (): string[] {
  const scripts: string[] = []
  const session = new Session()
  session.connect()
  session.on('Debugger.scriptParsed', ({ params }) => { if (params.url.includes('/node_modules/@sentry/')) scripts.push(params.url) })
  session.post('Debugger.enable')
  session.disconnect()
  return scripts
}

/** What SDKs like to replace. */
const patchable = (): unknown[] => [Reflect.get(Object(Reflect.get(Module, 'prototype')), '_compile'), Reflect.get(Module, '_load'), http.request, http.Server.prototype.emit, globalThis.fetch, console.log, process.emit, Error.prepareStackTrace]

const countHandlers = (): number => ['beforeExit', 'exit', 'uncaughtException', 'unhandledRejection', 'SIGTERM'].reduce((count, name) => count + process.listenerCount(name), 0)

const app = Fastify()
await app.register(docuwareAuth, { store: { uri, secretKeys: [masterKey] }, telemetry: {} })
await app.ready()
app.telemetry.capture(new Error('nobody wants to know'))
const { sdkInstalled } = await app.telemetry.get()
const whileOff = sentryScripts().length
const handlers = countHandlers()
const unpatched = patchable()
await app.telemetry.set({ dsn })
const whileOn = sentryScripts().length
const addedHandlers = countHandlers() - handlers
const patched = patchable().filter((now, index) => now !== unpatched[index]).length
app.telemetry.capture(new Error('the last words'))
await app.close()
process.send?.({ sdkInstalled, whileOff, whileOn, addedHandlers, patched, resources: process.getActiveResourcesInfo().filter((name) => !['PipeWrap', 'Pipe'].includes(name)) })
process.disconnect()
