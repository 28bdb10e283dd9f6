import crypto from 'node:crypto'
import { once } from 'node:events'
import { request as send, type IncomingMessage } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { minifyJson } from '../../lib/webhooks/minified-json.js'
import { startDocuWare } from '../../testing/index.js'
import { clockAt } from '../app.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'
import { invalid, secret, sign, webhookApp } from './webhook-app.js'

const json = { 'content-type': 'application/json' }
const { uri } = await startTestMongo(t)

const post = async (app: FastifyInstance, url: string, payload: string | Buffer, headers: Record<string, string>): Promise<LightMyRequestResponse> => await app.inject({ method: 'POST', url, payload, headers: { ...json, ...headers } })

function isRefusal (t: Test, answer: { readonly statusCode: number, readonly body: string, readonly headers: LightMyRequestResponse['headers'] }, name: string): void {
  t.strictSame([answer.statusCode, answer.body, answer.headers['content-type'], answer.headers['www-authenticate']], [401, JSON.stringify(invalid), 'application/json; charset=utf-8', 'Signature'], name)
}

t.test('the raw bytes are verified before the body is parsed and before the handler runs', async (t) => {
  const { app, handled } = await webhookApp(t, { uri, sources: { shop: { preset: 'generic', secret } } })
  let parsed = 0
  app.addContentTypeParser('application/x-counted', { parseAs: 'buffer' }, (_request, body, done) => {
    parsed++
    done(null, body.length)
  })
  app.addContentTypeParser('application/x-stream', (_request, payload, done) => {
    parsed++
    payload.setEncoding('hex').toArray().then((chunks) => { done(null, chunks.join('')) }, done)
  })
  const counted = { 'content-type': 'application/x-counted' }
  isRefusal(t, await post(app, '/hooks/shop', 'abc', { ...counted, 'x-signature': sign('abd') }), 'wrong')
  isRefusal(t, await post(app, '/hooks/shop', 'abc', { 'content-type': 'application/x-stream', 'x-signature': sign('abd') }), 'wrong, for a parser of streams')
  isRefusal(t, await post(app, '/hooks/shop', '{malformed', { 'x-signature': sign('abd') }), 'a body that would not parse is not looked at')
  t.equal(parsed, 0)
  t.strictSame(handled, [])

  t.equal((await post(app, '/hooks/shop', 'abc', { ...counted, 'x-signature': sign('abc') })).statusCode, 200)
  t.equal((await post(app, '/hooks/shop', 'abc', { 'content-type': 'application/x-stream', 'x-signature': sign('abc') })).statusCode, 200)
  t.equal((await post(app, '/hooks/shop', '{malformed', { 'x-signature': sign('{malformed') })).statusCode, 400, 'signed and malformed is Fastify\'s to refuse')
  const webhook = { source: 'shop', id: null, timestamp: null }
  t.strictSame(handled, [{ body: 3, webhook }, { body: '616263', webhook }])
})

t.test('a signature that is not right is 401 with nothing else, whatever is wrong with it', async (t) => {
  const sources = {
    generic: { preset: 'generic', secret },
    docuware: { preset: 'docuware', secret },
    base64: { header: 'x-hmac', encoding: 'base64', secret },
    prefixed: { header: 'x-hub-signature-256', prefix: 'sha256=', secret }
  } as const
  const { app, handled, lines } = await webhookApp(t, { uri, sources, limits: { refusedPerAddress: { max: 1000, windowSeconds: 60 } } })
  const body = '{"amount":5.30}'
  const headers = { generic: 'x-signature', docuware: 'x-docuware-signature', base64: 'x-hmac', prefixed: 'x-hub-signature-256' }
  const hex = sign(body)
  const long = sign(body, { algorithm: 'sha512' })
  const base64 = sign(body, { encoding: 'base64' })
  const wrong: ReadonlyArray<readonly [keyof typeof sources, string, string | undefined, string]> = [
    ['generic', 'missing', undefined, 'signature_missing'],
    ['generic', 'empty', '', 'signature_missing'],
    ['generic', 'too short', hex.slice(2), 'signature_malformed'],
    ['generic', 'too long', `${hex}00`, 'signature_malformed'],
    ['generic', 'upper case', hex.toUpperCase(), 'signature_malformed'],
    ['generic', 'another encoding', base64, 'signature_malformed'],
    ['generic', 'another algorithm', long, 'signature_malformed'],
    ['generic', 'with a prefix', `sha256=${hex}`, 'signature_malformed'],
    ['generic', 'no hexadecimal', 'z'.repeat(64), 'signature_malformed'],
    ['generic', 'a letter that is cut to a digit', `\u0130${'0'.repeat(63)}`, 'signature_malformed'],
    ['generic', 'two in one', `${hex},${hex}`, 'signature_malformed'],
    ['generic', 'of another body', sign('{"amount":5.31}'), 'signature_wrong'],
    ['generic', 'of another secret', sign(body, { key: `${secret}.` }), 'signature_wrong'],
    ['generic', 'of a prefix of the body', sign(body.slice(0, -1)), 'signature_wrong'],
    ['generic', 'zeros', '0'.repeat(64), 'signature_wrong'],
    ['docuware', 'missing', undefined, 'signature_missing'],
    ['docuware', 'upper case', long.toUpperCase(), 'signature_malformed'],
    ['docuware', 'of SHA-256', hex, 'signature_malformed'],
    ['docuware', 'of the number as JavaScript writes it', sign('{"amount":5.3}', { algorithm: 'sha512' }), 'signature_wrong'],
    ['base64', 'hexadecimal', hex, 'signature_malformed'],
    ['base64', 'without padding', base64.replace('=', ''), 'signature_malformed'],
    ['base64', 'more padding', `${base64}=`, 'signature_malformed'],
    ['base64', 'base64url', Buffer.alloc(32, 0xfb).toString('base64url') + '=', 'signature_malformed'],
    ['base64', 'other unused bits', `${base64.slice(0, -2)}${String.fromCharCode(base64.charCodeAt(42) + 1)}=`, 'signature_wrong'],
    ['base64', 'of another body', sign('x', { encoding: 'base64' }), 'signature_wrong'],
    ['prefixed', 'without its prefix', hex, 'signature_malformed'],
    ['prefixed', 'with the prefix in upper case', `SHA256=${hex}`, 'signature_malformed'],
    ['prefixed', 'nothing but the prefix', 'sha256=', 'signature_malformed']
  ]
  for (const [source, what, value, reason] of wrong) {
    lines.length = 0
    isRefusal(t, await post(app, `/hooks/${source}`, body, value === undefined ? {} : { [headers[source]]: value }), `${source}: ${what}`)
    t.match(lines.join(''), `"webhook":"${source}","reason":"${reason}"`, `${source}: ${what}: the reason is in the log`)
  }
  t.strictSame(handled, [])

  const right: ReadonlyArray<readonly [keyof typeof sources, string]> = [['generic', hex], ['docuware', long], ['base64', base64], ['prefixed', `sha256=${hex}`]]
  for (const [source, value] of right) t.equal((await post(app, `/hooks/${source}`, body, { [headers[source]]: value })).statusCode, 200, source)
  t.equal(handled.length, right.length)
})

t.test('signatures are compared in constant time, with every secret that may be right', async (t) => {
  const { app } = await webhookApp(t, { uri, sources: { shop: { preset: 'generic', secret: ['new secret', secret] } } })
  await app.ready()
  const { timingSafeEqual } = crypto
  const compared: string[][] = []
  const spy: typeof timingSafeEqual = (one, other) => {
    compared.push([one, other].map((text) => Buffer.from(text as Uint8Array).toString('latin1')))
    return timingSafeEqual(one, other)
  }
  Object.assign(crypto, { timingSafeEqual: spy })
  syncBuiltinESMExports()
  t.teardown(() => {
    Object.assign(crypto, { timingSafeEqual })
    syncBuiltinESMExports()
  })
  for (const [given, status] of [[sign('{}'), 200], [sign('x'), 401]] as const) {
    compared.length = 0
    t.equal((await post(app, '/hooks/shop', '{}', { 'x-signature': given })).statusCode, status)
    t.strictSame(compared, [[sign('{}', { key: 'new secret' }), given], [sign('{}'), given]])
  }
})

t.test('every algorithm and encoding; SHA-1 is warned of', async (t) => {
  const algorithms = ['sha1', 'sha256', 'sha384', 'sha512'] as const
  const encodings = ['hex', 'base64'] as const
  const cases = algorithms.flatMap((algorithm) => encodings.map((encoding) => ({ name: `${algorithm}-${encoding}`, algorithm, encoding })))
  const { app, lines } = await webhookApp(t, { uri: (await startTestMongo(t)).uri, sources: Object.fromEntries(cases.map(({ name, algorithm, encoding }) => [name, { header: 'X-Signature', algorithm, encoding, secret }])) })
  for (const { name, algorithm, encoding } of cases) {
    t.equal((await post(app, `/hooks/${name}`, '{}', { 'x-signature': sign('{}', { algorithm, encoding }) })).statusCode, 200, name)
  }
  t.strictSame(lines.filter((line) => line.includes('a webhook source signs with SHA-1')).map((line) => (JSON.parse(line) as { webhook: string }).webhook), ['sha1-hex', 'sha1-base64'])

  lines.length = 0
  await app.webhookSources.create({ name: 'stored', header: 'x-signature', algorithm: 'sha1', secret })
  await app.webhookSources.update('stored', { prefix: 'sha1=' })
  t.equal(lines.filter((line) => line.includes('a webhook source signs with SHA-1')).length, 1)
})

t.test('a header that is there twice is refused, also one of which Node would keep the first only', async (t) => {
  const sources = { joined: { header: 'x-signature', secret }, dropped: { header: 'Authorization', prefix: 'HMAC ', encoding: 'base64', secret } } as const
  const { app, handled, lines } = await webhookApp(t, { uri, sources })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const cases = [
    ['joined', ['x-signature', sign('{}')], 200],
    ['joined', ['x-signature', sign('{}'), 'x-signature', sign('{}')], 401],
    ['dropped', ['authorization', `HMAC ${sign('{}', { encoding: 'base64' })}`], 200],
    ['dropped', ['authorization', `HMAC ${sign('{}', { encoding: 'base64' })}`, 'Authorization', 'HMAC x'], 401]
  ] as const
  for (const [source, headers, status] of cases) {
    t.equal((await raw(app, `/hooks/${source}`, [...headers, 'content-type', 'application/json', 'content-length', '2'], ['{}'])).statusCode, status, headers.join())
  }
  t.equal(handled.length, 2)
  t.match(lines.join(''), '"webhook":"dropped","reason":"signature_repeated"')
})

t.test('bodies are verified and handed on as they came: numbers, escapes, BOM, charset, chunks, nothing at all', async (t) => {
  const sources = { generic: { preset: 'generic', secret }, docuware: { preset: 'docuware', secret } } as const
  const { app, handled } = await webhookApp(t, { uri, sources })
  const bodies: ReadonlyArray<readonly [string, string | Buffer, unknown]> = [
    ['a decimal as it was written', '{"a":5.30,"b":1e3,"c":-0.0,"d":12345678901234567890}', { a: 5.3, b: 1000, c: -0, d: 12345678901234567000 }],
    ['raw non-ASCII', '{"a":"Müller ☃ 😀"}', { a: 'Müller ☃ 😀' }],
    ['escaped non-ASCII', '{"a":"M\\u00fcller \\ud83d\\ude00 \\/"}', { a: 'Müller 😀 /' }],
    ['a BOM', '\ufeff{"a":1}', { a: 1 }],
    ['whitespace', '{\r\n\t"a" : 1 }\n', { a: 1 }],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22]), '\ufffd\ufffd']
  ]
  for (const [what, body, parsed] of bodies) {
    const bytes = Buffer.from(body)
    handled.length = 0
    for (const type of ['application/json', 'application/json; charset=utf-8', 'application/json;charset=iso-8859-1']) {
      t.equal((await post(app, '/hooks/generic', bytes, { 'content-type': type, 'x-signature': sign(bytes) })).statusCode, 200, `${what}, ${type}`)
    }
    t.equal((await post(app, '/hooks/docuware', bytes, { 'x-docuware-signature': sign(bytes, { algorithm: 'sha512' }) })).statusCode, 200, `${what}, docuware`)
    t.strictSame(handled.map(({ body }) => body), Array.from({ length: 4 }, () => parsed), what)
  }
  const text = Buffer.from('Grüße', 'latin1')
  handled.length = 0
  t.equal((await post(app, '/hooks/generic', text, { 'content-type': 'text/plain', 'x-signature': sign(text) })).statusCode, 200)
  t.strictSame(handled[0]?.body, text)

  isRefusal(t, await app.inject({ method: 'POST', url: '/hooks/generic' }), 'no body, no signature')
  isRefusal(t, await app.inject({ method: 'POST', url: '/hooks/generic', headers: { 'x-signature': sign('x') } }), 'no body, and a signature of one')
  handled.length = 0
  t.equal((await app.inject({ method: 'POST', url: '/hooks/generic', headers: { 'x-signature': sign('') } })).statusCode, 200, 'no body, signed')
  t.strictSame(handled.map(({ body }) => body), [undefined])

  await app.listen({ host: '127.0.0.1', port: 0 })
  const chunks = ['{"a"', ':"M', Buffer.from([0xc3]), Buffer.from([0xbc]), '"', '}']
  const whole = Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)))
  handled.length = 0
  t.equal((await raw(app, '/hooks/generic', ['content-type', 'application/json', 'transfer-encoding', 'chunked', 'x-signature', sign(whole)], chunks)).statusCode, 200, 'chunks')
  t.strictSame(handled.map(({ body }) => body), [{ a: 'Mü' }])
  t.equal((await raw(app, '/hooks/generic', ['content-type', 'application/json', 'transfer-encoding', 'chunked', 'x-signature', sign(whole)], [...chunks, ' '])).statusCode, 401, 'a chunk more')
})

t.test('a compressed body is verified as it came, and not unpacked', async (t) => {
  const { app, handled } = await webhookApp(t, { uri, sources: { shop: { preset: 'generic', secret } } })
  const packed = gzipSync('{"a":1}')
  const headers = { 'content-encoding': 'gzip' }
  isRefusal(t, await post(app, '/hooks/shop', packed, { ...headers, 'x-signature': sign('{"a":1}') }), 'signed before it was packed')
  t.equal((await post(app, '/hooks/shop', packed, { ...headers, 'x-signature': sign(packed) })).statusCode, 400, 'signed as it came, which is no JSON')
  t.strictSame(handled, [])
})

t.test('what an earlier hook has made of the body is what is verified and parsed', async (t) => {
  const { app, handled } = await webhookApp(t, {
    uri,
    sources: { shop: { preset: 'generic', secret } },
    before (app) {
      app.addHook('preParsing', async (request, _reply, payload) => {
        if (request.headers['x-unpack'] === undefined) return payload
        const received = Buffer.concat(await payload.toArray())
        const text = new Readable({ read () {}, encoding: 'utf8' }) // texts, not bytes
        text.push(received.toString().slice(1))
        text.push(null)
        return Object.assign(text, { receivedEncodedLength: received.length })
      })
    }
  })
  t.equal((await post(app, '/hooks/shop', '>{"a":1}', { 'x-unpack': '1', 'x-signature': sign('{"a":1}') })).statusCode, 200)
  t.strictSame(handled.map(({ body }) => body), [{ a: 1 }])
})

t.test('a route without a body is never reachable', async (t) => {
  const { app, handled } = await webhookApp(t, { uri, sources: { shop: { preset: 'generic', secret } } })
  app.get('/get', { config: { webhook: 'shop' } }, async () => { handled.push({ body: 'get', webhook: null }) })
  app.route({ method: ['POST', 'PUT', 'PATCH', 'DELETE'], url: '/others', config: { webhook: 'shop' }, handler: async (request) => request.method })
  for (const method of ['GET', 'HEAD'] as const) {
    const answer = await app.inject({ method, url: '/get', headers: { 'x-signature': sign('') } })
    t.equal(answer.statusCode, 401, method)
    t.equal(answer.body, method === 'GET' ? JSON.stringify(invalid) : '')
  }
  t.strictSame(handled, [])
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
    t.equal((await app.inject({ method, url: '/others', payload: '{}', headers: { ...json, 'x-signature': sign('{}') } })).body, method)
    isRefusal(t, await app.inject({ method, url: '/others', payload: '{}', headers: { ...json, 'x-signature': sign('{ }') } }), method)
  }
})

t.test('a body beyond the route\'s limit is 413 as Fastify says it, and not kept', async (t) => {
  const { app, handled } = await webhookApp(t, { uri, sources: { shop: { preset: 'generic', secret } } })
  app.post('/small', { config: { webhook: 'shop' }, bodyLimit: 10 }, async ({ body }) => { handled.push({ body, webhook: null }) })
  app.post('/bare', { bodyLimit: 10 }, async () => 'in')
  await app.listen({ host: '127.0.0.1', port: 0 })
  const large = Buffer.alloc(10 * 1024 * 1024, 0x20)
  const signed = ['content-type', 'application/json', 'x-signature', sign(large)]
  const usual = await post(app, '/bare', '"123456789"', {})
  for (const [what, url, headers, chunks] of [
    ['declared', '/small', ['content-type', 'application/json', 'content-length', '11', 'x-signature', sign('"123456789"')], ['"123456789"']],
    ['10 MB, declared', '/hooks/shop', [...signed, 'content-length', String(large.length)], [large]],
    ['10 MB in chunks', '/hooks/shop', [...signed, 'transfer-encoding', 'chunked'], [large.subarray(0, 65_536), large.subarray(65_536)]]
  ] as const) {
    const answer = await raw(app, url, [...headers], [...chunks])
    t.strictSame([answer.statusCode, answer.headers.connection, JSON.parse(answer.body)], [413, 'close', usual.json()], what)
  }
  t.equal((await post(app, '/small', '"12345678"', { 'x-signature': sign('"12345678"') })).statusCode, 200, 'one byte less')
  t.strictSame(handled.map(({ body }) => body), ['12345678'])
  isRefusal(t, await post(app, '/small', '"1234567890"', {}), 'without a signature nothing is said of the length')
})

t.test('a sender who goes away, before the body is read or in the middle of it, leaves nothing behind', async (t) => {
  let ask = (): void => {}
  const asked = new Promise<void>((resolve) => { ask = resolve })
  let found = (_secret: string): void => {}
  const late = new Promise<string>((resolve) => { found = resolve })
  const sources = { shop: { preset: 'generic', secret }, slow: { preset: 'generic', secret: async () => { ask(); return await late } } } as const
  const { app, handled } = await webhookApp(t, { uri, sources })
  const failures: Array<(error: Error) => void> = []
  app.addHook('onError', async (_request, _reply, error) => { failures.shift()?.(error) })
  await app.listen({ host: '127.0.0.1', port: 0 })
  await post(app, '/hooks/shop', '{}', { 'x-signature': sign('{}') }) // nothing has to be asked for any more
  handled.length = 0
  const { port } = new URL(app.listeningOrigin)
  for (const source of ['shop', 'slow']) {
    const failed = new Promise<Error>((resolve) => { failures.push(resolve) })
    const arrived = new Promise<IncomingMessage>((resolve) => { app.server.once('request', resolve) })
    const request = send({ port, method: 'POST', path: `/hooks/${source}`, headers: { ...json, 'content-length': '100', 'x-signature': sign('x') } })
    request.on('error', () => {})
    request.write('{"a":')
    const incoming = await arrived
    if (source === 'slow') await asked
    const gone = new Promise((resolve) => { incoming.once('close', resolve) })
    request.destroy()
    await gone
    if (source === 'slow') found(secret)
    t.match(await failed, { code: 'DWA_WEBHOOK_ABORTED', statusCode: 400 }, source)
  }
  t.strictSame(handled, [])
})

t.test('however the bytes arrive, the connection serves the next request, and a parser of the app\'s own gets them all', async (t) => {
  const sources = { shop: { preset: 'generic', secret }, once: { preset: 'generic', secret, idHeader: 'x-id' } } as const
  const { app, handled } = await webhookApp(t, { uri, sources })
  let untouched = 0
  app.addContentTypeParser('*', (request, payload, done) => { // as Fastify's documentation has it
    if (payload === request.raw) untouched++
    let text = Readable.isDisturbed(payload) ? 'read before: ' : 'raw '
    payload.on('data', (chunk: Buffer) => { text += chunk.toString() })
    payload.on('end', () => { done(null, text) })
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const [good, bad] = [sign('{"text":"it"}'), sign('another')]
  const cuts = {
    'at once': (head: string, body: string) => [head + body],
    'body after head': (head: string, body: string) => [head, body],
    'in three': (head: string, body: string) => [head, body.slice(0, 5), body.slice(5)]
  }
  let deliveries = 0
  for (const source of ['shop', 'once']) {
    for (const [type, expected] of [['application/json', { text: 'it' }], ['application/x-own', 'raw {"text":"it"}']] as const) {
      for (const [how, cut] of Object.entries(cuts)) {
        handled.length = untouched = 0
        const accepted = new Promise<Socket>((resolve) => { app.server.once('connection', resolve) })
        const socket = connect(Number(new URL(app.listeningOrigin).port), '127.0.0.1')
        const peer = await accepted
        const statuses: number[] = []
        socket.on('data', (data) => { statuses.push(...[...data.toString().matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))) })
        let sent = 0
        const send = async (signature: string, id: number): Promise<void> => {
          const answers = statuses.length + 1
          const head = `POST /hooks/${source} HTTP/1.1\r\nhost: a\r\ncontent-type: ${type}\r\ncontent-length: 13\r\nx-id: ${id}\r\nx-signature: ${signature}\r\n\r\n`
          for (const part of cut(head, '{"text":"it"}')) {
            socket.write(part)
            sent += part.length
            await eventually('it has arrived', () => peer.bytesRead === sent)
          }
          await eventually('it is answered', () => statuses.length === answers)
        }
        for (const signature of [good, bad, good]) await send(signature, deliveries++)
        if (source === 'once') await send(good, deliveries - 1) // handled already
        await send(good, deliveries++)
        socket.destroy()
        t.strictSame(statuses, source === 'once' ? [200, 401, 200, 200, 200] : [200, 401, 200, 200], `${source}, ${type}, ${how}`)
        t.strictSame(handled.map(({ body }) => body), [expected, expected, expected])
        t.equal(untouched, type === 'application/x-own' && source === 'shop' && how === 'at once' ? 3 : 0, 'a body that came with its head is left where it is')
      }
    }
  }
})

t.test('where the app has Node take two lengths at once, what is parsed is what was verified', async (t) => {
  const { app, handled } = await webhookApp(t, { uri, sources: { shop: { preset: 'generic', secret } }, fastify: { http: { insecureHTTPParser: true } } })
  app.addContentTypeParser('*', (_request, payload, done) => {
    payload.toArray().then((chunks: Buffer[]) => { done(null, Buffer.concat(chunks).toString()) }, done)
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  for (const [signed, status] of [['hello', 401], ['hello-more', 200]] as const) {
    const socket = connect(Number(new URL(app.listeningOrigin).port), '127.0.0.1')
    const answer = once(socket, 'data')
    socket.write(`POST /hooks/shop HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-own\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\nx-signature: ${sign(signed)}\r\n\r\n5\r\nhello\r\n5\r\n-more\r\n0\r\n\r\n`)
    t.match(String((await answer)[0]), `HTTP/1.1 ${status} `, signed)
    socket.destroy()
  }
  t.strictSame(handled.map(({ body }) => body), ['hello-more'])
})

t.test('secrets: one, several while they are exchanged, or found by the request', async (t) => {
  const tenants: Readonly<Record<string, unknown>> = { one: 'secret one', two: ['old', 'new'], nobody: null, forgotten: undefined, none: [], empty: '', list: ['', 'x'], number: 5 }
  const found = (tenant: unknown): never => tenants[String(tenant)] as never
  const sources = {
    rotated: { preset: 'generic', secret: ['new secret', 'old secret'] },
    tenant: { preset: 'generic', secret: async (request: { headers: Record<string, unknown> }) => found(request.headers['x-tenant']) },
    plain: { preset: 'generic', secret: (request: { headers: Record<string, unknown> }) => found(request.headers['x-tenant']) },
    throws: { preset: 'generic', secret () { throw new Error('the vault is away') } },
    rejects: { preset: 'generic', secret: async () => await Promise.reject('no Error') } // eslint-disable-line prefer-promise-reject-errors
  } as const
  const { app, lines } = await webhookApp(t, { uri, sources })
  for (const key of ['new secret', 'old secret']) t.equal((await post(app, '/hooks/rotated', '{}', { 'x-signature': sign('{}', { key }) })).statusCode, 200, key)
  isRefusal(t, await post(app, '/hooks/rotated', '{}', { 'x-signature': sign('{}', { key: 'new secret,old secret' }) }), 'another')

  for (const source of ['tenant', 'plain']) {
    const by = async (tenant: string, key: string) => await post(app, `/hooks/${source}`, '{}', { 'x-tenant': tenant, 'x-signature': sign('{}', { key }) })
    for (const [tenant, key] of [['one', 'secret one'], ['two', 'old'], ['two', 'new']] as const) t.equal((await by(tenant, key)).statusCode, 200, `${source} ${tenant}`)
    for (const [tenant, key] of [['one', 'old'], ['nobody', ''], ['nobody', 'null'], ['forgotten', 'undefined'], ['none', '']] as const) isRefusal(t, await by(tenant, key), `${source} ${tenant}`)
    for (const [tenant, key] of [['empty', ''], ['list', 'x'], ['list', ''], ['number', '5']] as const) t.match((await by(tenant, key)).json(), { statusCode: 500, code: 'DWA_WEBHOOK_CONFIGURATION' }, `${source} ${tenant}`)
  }
  for (const source of ['throws', 'rejects']) {
    const answer = await post(app, `/hooks/${source}`, '{}', { 'x-signature': sign('{}') })
    t.strictSame(answer.json(), { statusCode: 500, code: 'DWA_WEBHOOK_CONFIGURATION', error: 'Internal Server Error', message: 'The route\'s webhook source cannot be used' }, source)
  }
  t.match(lines.join(''), 'the vault is away', 'the operator is told')
})

t.test('with a timestamp the signed text includes it, and old deliveries are refused', async (t) => {
  let now = Date.now()
  const timestamp = { header: 'X-Timestamp', toleranceSeconds: 300 }
  const sources = {
    usual: { preset: 'generic', secret, timestamp },
    slack: { header: 'x-slack-signature', prefix: 'v0=', secret, timestamp: { header: 'x-slack-request-timestamp', toleranceSeconds: 60, prefix: 'v0:', separator: ':' } }
  } as const
  const { app, handled, lines } = await webhookApp(t, { uri, sources, store: { clock: clockAt(() => now) } })
  await app.ready()
  const at = (seconds: number): string => String(Math.floor(now / 1000) + seconds)
  const usual = async (time: string, signedTime = time) => await post(app, '/hooks/usual', '{}', { 'x-timestamp': time, 'x-signature': sign(`${signedTime}.{}`) })

  for (const seconds of [0, -299, 299]) t.equal((await usual(at(seconds))).statusCode, 200, `${seconds} s`)
  t.strictSame(handled[0]?.webhook, { source: 'usual', id: null, timestamp: new Date(Math.floor(now / 1000) * 1000) })
  const time = at(0)
  for (const [what, answer, reason] of [
    ['older', await usual(at(-302)), 'timestamp_outside_tolerance'],
    ['ahead', await usual(at(302)), 'timestamp_outside_tolerance'],
    ['another time than the signed one', await usual(at(1), at(0)), 'signature_wrong'],
    ['milliseconds', await usual(`${time}000`), 'timestamp_malformed'],
    ['a fraction', await usual(`${time}.0`), 'timestamp_malformed'],
    ['a sign', await usual(`+${time}`), 'timestamp_malformed'],
    ['a date', await usual(new Date(now).toISOString()), 'timestamp_malformed'],
    ['two', await usual(`${time}, ${time}`), 'timestamp_malformed'],
    ['empty', await usual('', time), 'timestamp_missing'],
    ['missing', await post(app, '/hooks/usual', '{}', { 'x-signature': sign(`${time}.{}`) }), 'timestamp_missing'],
    ['not signed', await post(app, '/hooks/usual', '{}', { 'x-timestamp': time, 'x-signature': sign('{}') }), 'signature_wrong']
  ] as const) {
    isRefusal(t, answer, what)
    t.match(lines.join(''), `"reason":"${reason}"`, what)
  }
  t.equal((await post(app, '/hooks/slack', '{}', { 'x-slack-request-timestamp': time, 'x-slack-signature': `v0=${sign(`v0:${time}:{}`)}` })).statusCode, 200, 'another form')

  t.equal((await usual(time)).statusCode, 200)
  now += 302_000
  isRefusal(t, await usual(time), 'the same delivery, later')
})

t.test('docuware: the raw bytes, or the body without the whitespace outside of its strings', async (t) => {
  const { app, handled } = await webhookApp(t, { uri, sources: { docuware: { preset: 'docuware', secret }, generic: { preset: 'generic', secret } } })
  const minified = '{"a":"x : , {\\" y\\\\","b":[5.30,1e3,"\\u00e9 é"],"c":{}}'
  const spaced = '\n{ "a" :\t"x : , {\\" y\\\\" ,\r\n "b":[ 5.30, 1e3 ,"\\u00e9 é"],"c" : { } } '
  const by = async (body: string, signed: string) => await post(app, '/hooks/docuware', body, { 'x-docuware-signature': sign(signed, { algorithm: 'sha512' }) })
  for (const [body, signed] of [[minified, minified], [spaced, minified], [spaced, spaced]] as const) t.equal((await by(body, signed)).statusCode, 200)
  t.strictSame(handled.map(({ body }) => body), Array.from({ length: 3 }, () => JSON.parse(minified)))
  for (const [what, body, signed] of [
    ['whitespace in a string', '{"a":"x y"}', '{"a":"xy"}'],
    ['a number as JavaScript writes it', '{ "a": 5.30 }', '{"a":5.3}'],
    ['an escape as JavaScript writes it', '{ "a": "\\u00e9" }', '{"a":"é"}'],
    ['other blanks than JSON has', '{\u00a0"a":1}', '{"a":1}'],
    ['a minified body whose signature is of a spaced one', '{"a":1}', '{ "a":1 }']
  ] as const) isRefusal(t, await by(body, signed), what)
  isRefusal(t, await post(app, '/hooks/generic', spaced, { 'x-signature': sign(minified) }), 'generic takes the raw bytes only')
})

t.test('minifying is textual, in one pass, and makes JSON of the same meaning', (t) => {
  fc.assert(fc.property(fc.json(), fc.constantFrom(undefined, 1, '\t', '\r\n '), (text, space) => {
    const value: unknown = JSON.parse(text)
    const minified = minifyJson([Buffer.from(JSON.stringify(value, null, space))])
    t.equal((minified ?? Buffer.from(JSON.stringify(value))).toString(), JSON.stringify(value))
  }), { numRuns: 200 })
  fc.assert(fc.property(fc.uint8Array({ maxLength: 50 }), fc.nat(50), (bytes, cut) => {
    t.strictSame(minifyJson([bytes.subarray(0, cut), bytes.subarray(cut)]), minifyJson([bytes]), 'wherever a chunk ends')
  }), { numRuns: 200 })
  t.equal(minifyJson([Buffer.from('" \\" \\\\" \\" x')])?.toString(), '" \\" \\\\"\\" x', 'a string that does not end')
  t.equal(minifyJson([]), null)

  const hostile = [Buffer.alloc(8_000_000, ' '), Buffer.alloc(8_000_000, '"'), Buffer.alloc(8_000_000, '\\'), Buffer.alloc(8_000_000, '" ')]
  const time = (bytes: Buffer): number => {
    const began = process.cpuUsage()
    minifyJson([bytes])
    const { user, system } = process.cpuUsage(began)
    return user + system
  }
  for (const bytes of hostile) t.ok(time(bytes) < 2_000_000, '8 MB take well under two seconds of CPU')
  t.end()
})

t.test('DocuWare, simulated, delivers', async (t) => {
  const dw = await startDocuWare()
  t.teardown(() => dw.stop())
  const { app, handled } = await webhookApp(t, { uri, sources: { docuware: { preset: 'docuware', secret: dw.passphrase } } })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const url = `${app.listeningOrigin}/hooks/docuware`
  for (const options of [{}, { spaced: true }]) {
    t.match(await dw.sendWebhook(url, undefined, options), { status: 200, text: '{"handled":"docuware"}' })
    t.match(handled.pop(), { body: { Event: 'DocumentStored', Values: [{ Item: 'Großküchen Müller GmbH' }, { Item: 5.3 }] }, webhook: { source: 'docuware' } })
  }
  for (const signature of ['wrong', 'malformed', 'missing'] as const) {
    t.match(await dw.sendWebhook(url, undefined, { signature }), { status: 401, text: JSON.stringify(invalid) }, signature)
  }
  t.strictSame(handled, [])
})

interface RawAnswer { readonly statusCode: number, readonly headers: IncomingMessage['headers'], readonly body: string }

/** A request whose headers are sent as they are given, and its body in chunks. The server may answer, and hang up, before it was sent. */
async function raw (app: FastifyInstance, path: string, headers: string[], chunks: ReadonlyArray<string | Buffer>): Promise<RawAnswer> {
  const { port } = new URL(app.listeningOrigin)
  const request = send({ port, method: 'POST', path, headers: ['host', 'localhost', 'connection', 'close', ...headers] })
  const answered = once(request, 'response')
  request.on('error', () => {})
  for (const chunk of chunks) request.write(chunk)
  request.end()
  const [response] = await answered as [IncomingMessage]
  const body = Buffer.concat(await response.toArray().catch(() => [])).toString()
  return { statusCode: response.statusCode ?? 0, headers: response.headers, body }
}
