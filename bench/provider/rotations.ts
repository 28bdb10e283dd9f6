import { MongoClient } from 'mongodb'
import { figure, Program } from '../auth/program.js'
import { memberOf, type Issued } from './servers.js'

/** What so many refreshes in a row leave behind. */
export interface Rotations { readonly rotations: number, readonly documents: number, readonly bytes: number, readonly seconds: number }

/** Rotates one refresh token again and again, in a database of its own. */
export async function rotate (uri: string, rotations: number): Promise<Rotations> {
  const { program, figures } = await Program.start('../provider/server', [{ kind: 'ours', uri }])
  const client = await MongoClient.connect(uri)
  try {
    const { clientId, clientSecret, texts } = await (await fetch(`http://127.0.0.1:${figure(figures, 'desk')}/?server=0&kind=refresh&count=1`)).json() as Issued
    const headers = { 'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` }
    let [token = ''] = texts
    const began = performance.now()
    for (let rotation = 0; rotation < rotations; rotation++) {
      const answer = await fetch(`http://127.0.0.1:${figure(figures, 'port 0')}/oauth2/token`, { method: 'POST', headers, body: `grant_type=refresh_token&refresh_token=${token}` })
      token = memberOf(await answer.json(), 'refresh_token')
    }
    const seconds = (performance.now() - began) / 1000
    const families = client.db().collection('dwa_token_families')
    while (await families.countDocuments({ 'outbox.at': { $exists: true } }) > 0); // on its way to the log
    const found = await families.find({}, { raw: true }).toArray()
    return { rotations, documents: found.length, bytes: Math.max(...found.map(({ length }) => length)), seconds }
  } finally {
    await client.close()
    await program.stop()
  }
}
