import { hostname, release, totalmem, cpus } from 'node:os'
import { MAX_DOCUMENT_SIZE, type Document } from '../document.js'
import { ServerError } from '../errors.js'
import { MAX_MESSAGE_SIZE } from '../wire-protocol.js'
import type { Command } from './command.js'

const VERSION = '7.0.14'
const MAX_WIRE_VERSION = 21

/** What `hello` tells of the server, without the sign-in that may come with it. */
export function greeting (session: { id: number }, now: Date): Document {
  return {
    helloOk: true,
    maxBsonObjectSize: MAX_DOCUMENT_SIZE,
    maxMessageSizeBytes: MAX_MESSAGE_SIZE,
    maxWriteBatchSize: 100_000,
    localTime: now,
    logicalSessionTimeoutMinutes: 30,
    connectionId: session.id,
    minWireVersion: 0,
    maxWireVersion: MAX_WIRE_VERSION,
    readOnly: false
  }
}

export const ping: Command = () => ({ ok: 1 })

export const buildInfo: Command = () => ({
  version: VERSION,
  versionArray: [7, 0, 14, 0],
  gitVersion: '0'.repeat(40),
  modules: ['fastify-docuware-auth/testing'],
  storageEngines: ['inMemory'],
  maxBsonObjectSize: MAX_DOCUMENT_SIZE,
  bits: 64,
  debug: false,
  ok: 1
})

export const hostInfo: Command = (_command, { now }) => ({
  system: { currentTime: now(), hostname: hostname(), cpuAddrSize: 64, memSizeMB: Math.floor(totalmem() / 1048576), numCores: cpus().length },
  os: { type: process.platform, name: process.platform, version: release() },
  extra: {},
  ok: 1
})

export const serverStatus: Command = (_command, context) => ({
  host: hostname(),
  version: VERSION,
  process: 'mongod',
  pid: BigInt(process.pid),
  uptime: Math.floor((context.now().getTime() - context.startedAt) / 1000),
  localTime: context.now(),
  metrics: { cursor: { open: { total: context.cursors.size } } },
  storageEngine: { name: 'inMemory', persistent: false },
  ok: 1
})

export const getParameter: Command = (command) => {
  if (command['getParameter'] !== '*' && command['featureCompatibilityVersion'] === undefined) throw new ServerError('InvalidOptions', 'no option found to get')
  return { featureCompatibilityVersion: { version: '7.0' }, ok: 1 }
}
