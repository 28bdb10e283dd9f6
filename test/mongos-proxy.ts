import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { decode, encode, type Document } from '../testing/embedded-mongo/document.js'
import { MessageSplitter, parseRequest } from '../testing/embedded-mongo/wire-protocol.js'
import type { Teardown } from './mongo.js'

/** Where the body of a reply begins, by its operation: OP_REPLY, OP_MSG. */
const bodyAt = new Map([[1, 36], [2013, 21]])

/** What a driver sends over a wire. */
export interface RecordedWire {
  readonly uri: string
  /** Every command so far, as it was sent, but those by which client and server get to know each other. */
  readonly commands: Document[]
}

/** A wire to MongoDB, cut when the test ends. Over it the server says that it is a mongos: only to such ones, and to replica sets, drivers say whom they want to read from. */
export async function startMongosProxy (t: Teardown, uri: string): Promise<RecordedWire> {
  const { hostname, port } = new URL(uri)
  const commands: Document[] = []
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    const [sent, answered] = [new MessageSplitter(), new MessageSplitter()]
    for (const [socket, other] of [[client, upstream], [upstream, client]] as const) {
      socket.on('error', () => {})
      socket.on('close', () => { other.destroy() })
    }
    client.on('data', (data) => {
      const sentNow = sent.push(data).map((message) => parseRequest(message).command)
      commands.push(...sentNow.filter((command) => !('ismaster' in command || 'hello' in command)))
      upstream.write(data)
    })
    upstream.on('data', (data) => { for (const message of answered.push(data)) client.write(asMongos(message)) })
    t.teardown(() => { client.destroy() })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = new URL(uri)
  address.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  address.searchParams.set('retryWrites', 'false') // the server behind it need not know transaction numbers
  return { uri: address.href, commands }
}

function asMongos (reply: Buffer): Buffer {
  const at = bodyAt.get(reply.readInt32LE(12))
  const body = at === undefined ? {} : decode(reply.subarray(at, at + reply.readInt32LE(at)))
  if (!('maxWireVersion' in body)) return reply
  const whole = Buffer.concat([reply.subarray(0, at), encode({ ...body, msg: 'isdbgrid' })])
  whole.writeInt32LE(whole.length, 0)
  return whole
}
