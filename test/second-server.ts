import { spawn } from 'node:child_process'
import { access, constants, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { MongoClient } from 'mongodb'
import { freePort } from '../examples/demo/free-port.js'

/** A MongoDB that is not the embedded one. `stop` ends only what was started here. */
export interface SecondServer { uri: string, stop: () => Promise<void> }

const START_TIMEOUT_MS = 30_000

async function findBinary (): Promise<string | undefined> {
  const candidates = [process.env['MONGOMS_SYSTEM_BINARY'] ?? '', ...(process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'mongod'))]
  for (const candidate of candidates) {
    if (candidate === '') continue
    const usable = await access(candidate, constants.X_OK).then(() => true, () => false)
    if (usable) return candidate
  }
  return undefined
}

async function startMongod (binary: string): Promise<SecondServer> {
  const folder = await mkdtemp(join(tmpdir(), 'mongod-'))
  const port = await freePort()
  const child = spawn(binary, ['--dbpath', folder, '--port', String(port), '--bind_ip', '127.0.0.1', '--nounixsocket', '--setParameter', 'ttlMonitorSleepSecs=1'], { stdio: 'ignore' })
  const gone = new Promise<void>((resolve) => {
    child.once('error', () => { resolve() })
    child.once('exit', () => { resolve() })
  })
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await gone
    await rm(folder, { recursive: true, force: true })
  }
  const uri = `mongodb://127.0.0.1:${port}/`
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: START_TIMEOUT_MS })
  try {
    await Promise.race([client.connect(), gone.then(() => { throw new Error(`${binary} ended before it could be used`) })])
  } catch (error) {
    await stop()
    throw error
  } finally {
    await client.close()
  }
  return { uri, stop }
}

/**
 * The server that `MONGODB_URI` names, or else a mongod of its own (`MONGOMS_SYSTEM_BINARY`, then PATH) on a free
 * port with an empty folder. Undefined where there is neither.
 */
export async function findSecondServer (): Promise<SecondServer | undefined> {
  const uri = process.env['MONGODB_URI']
  if (uri !== undefined && uri !== '') return { uri, stop: async () => {} }
  const binary = await findBinary()
  return binary === undefined ? undefined : await startMongod(binary)
}
