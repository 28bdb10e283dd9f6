// Makes tap's plugins those of .taprc, and runs the suite on the embedded MongoDB, with the coverage gate; then again, whole, on the server that MONGODB_URI names
// or on a mongod that is found (MONGOMS_SYSTEM_BINARY, then PATH). Without one it says so.
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

const { MONGODB_URI: named, ...rest } = process.env

function run (command, args, env) {
  const { status } = spawnSync(command, args, { stdio: 'inherit', env })
  if (status !== 0) process.exitCode = status ?? 1
  return status === 0
}

function findMongod () {
  const places = [process.env.MONGOMS_SYSTEM_BINARY, ...(process.env.PATH ?? '').split(delimiter).filter(Boolean).map((folder) => join(folder, 'mongod'))]
  return places.find((place) => {
    try {
      if (place) accessSync(place, constants.X_OK)
      return Boolean(place)
    } catch {
      return false // not there is the ordinary answer
    }
  })
}

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => { server.once('listening', resolve) })
  const { port } = server.address()
  await new Promise((resolve) => { server.close(resolve) })
  return port
}

async function answers (port) {
  for (let attempt = 0; attempt < 300; attempt++) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true) }).on('error', () => { resolve(false) })
    })
    if (open) return true
    await wait(100)
  }
  return false
}

const suite = (uri, ...options) => run('tap', ['-R', 'terse', ...options], { ...rest, ...(uri === undefined ? {} : { MONGODB_URI: uri }) })

if (run('tap', ['build'], rest) && suite(undefined) && run(process.execPath, ['scripts/check-coverage.js'], rest)) {
  const mongod = named ? undefined : findMongod()
  if (named) {
    console.log('once more, on the server that MONGODB_URI names')
    suite(named, '--disable-coverage')
  } else if (mongod !== undefined) {
    const port = await freePort()
    const folder = mkdtempSync(join(tmpdir(), 'mongod-'))
    const child = spawn(mongod, ['--dbpath', folder, '--port', String(port), '--bind_ip', '127.0.0.1'], { stdio: 'ignore' })
    try {
      console.log(`once more, on ${mongod}`)
      if (await answers(port)) suite(`mongodb://127.0.0.1:${port}/test`, '--disable-coverage')
      else process.exitCode = 1
    } finally {
      child.kill()
      await new Promise((resolve) => { child.once('exit', resolve) })
      rmSync(folder, { recursive: true, force: true })
    }
  } else {
    console.log('the suite was not run on a second MongoDB: MONGODB_URI names none, and no mongod was found')
  }
}
