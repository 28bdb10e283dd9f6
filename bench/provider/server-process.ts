import { createServer } from 'node:http'
import { readConfig, report } from '../auth/program.js'
import { isIssuedKind, servers, type ServerConfig } from './servers.js'

const running = await Promise.all(readConfig<readonly ServerConfig[]>().map(async (config) => await servers[config.kind](config)))

/** Hands out what requests are made of: `GET /?server=0&kind=code&count=1000`. */
const desk = createServer((request, response) => {
  const { searchParams } = new URL(request.url ?? '', 'http://desk')
  const kind = searchParams.get('kind')
  const server = running[Number(searchParams.get('server'))]
  if (!isIssuedKind(kind)) throw new TypeError(`nothing is called ${kind ?? 'that'}`)
  if (server === undefined) throw new RangeError('no server has that number')
  server.issue(kind, Number(searchParams.get('count'))).then(
    (issued) => { response.end(JSON.stringify(issued)) },
    (error: unknown) => { response.writeHead(500).end(String(error)) }
  )
})
desk.listen(0, '127.0.0.1', () => {
  const address = desk.address()
  if (address === null || typeof address === 'string') throw new TypeError('listens on no port')
  report({ desk: address.port, ...Object.fromEntries(running.map(({ port }, index) => [`port ${index}`, port])) }, () => {
    const { user, system } = process.cpuUsage()
    return { cpuMicroseconds: user + system }
  })
})
