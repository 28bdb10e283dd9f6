import { text } from 'node:stream/consumers'
import { nodeTransport } from '../../lib/connectors/node-transport.js'

/** A process that GETs an address twice, one after the other, and tells what was answered. */
const [address = ''] = process.argv.slice(2)
const answers: string[] = []
for (let call = 0; call < 2; call++) {
  const { status, body } = await nodeTransport(new URL(address), { method: 'GET', headers: {}, body: null, signal: new AbortController().signal })
  answers.push(`${status} ${await text(body)}`)
}
process.send?.(answers)
