import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * A loopback port that nobody listens on right now: the app must know its address before it listens. It is below those that systems give to whoever connects, or
 * asks for any: one of these may be somebody else's a moment later.
 */
export async function freePort (): Promise<number> {
  for (let tries = 1; tries <= 100; tries++) {
    const port = randomInt(12_000, 32_768)
    if (await isFree(port)) return port
  }
  throw new Error('no port is free')
}

async function isFree (port: number): Promise<boolean> {
  const server = createServer()
  return await new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => { error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(false) : reject(error) })
    server.listen(port, '127.0.0.1', () => { server.close(() => { resolve(true) }) })
  })
}
