import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { report } from '../auth/program.js'

const answer = JSON.stringify({ id: 17, name: 'Gross & Klein GmbH', lines: [{ sku: 'A-1', amount: 5 }, { sku: 'B-2', amount: 1 }] })
const server = createServer((request, response) => {
  request.resume().on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) }).end(answer)
  })
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => { report({ port: (server.address() as AddressInfo).port }) })
