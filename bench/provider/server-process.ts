import { createServer } from 'node:http'
import { readConfig, report } from '../auth/program.js'
import { isIssuedKind, servers, type ServerConfig } from './servers.js'

const config = readConfig<ServerConfig>()
const { port, issue } = await servers[config.kind](config)

/** Hands out what requests are made of: `GET /?kind=code&count=1000`. */
const desk = createServer((request, response) => {
  const { searchParams } = new URL(request.url ?? '', 'http://desk')
  const kind = searchParams.get('kind')
  if (!isIssuedKind(kind)) throw new TypeError(`nothing is called ${kind ?? 'that'}`)
  issue(kind, Number(searchParams.get('count'))).then(
    (issued) => { response.end(JSON.stringify(issued)) },
    (error: unknown) => { response.writeHead(500).end(String(error)) }
  )
})
desk.listen(0, '127.0.0.1', () => {
  const address = desk.address()
  if (address === null || typeof address === 'string') throw new TypeError('listens on no port')
  report({ port, desk: address.port }, () => {
    const { user, system } = process.cpuUsage()
    return { cpuMicroseconds: user + system }
  })
})
