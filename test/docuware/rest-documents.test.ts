import { fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { openAsBlob } from 'node:fs'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { readDocuWareDate, searchDate } from '../../lib/docuware/rest/docuware-date.js'
import { fileNameOf } from '../../lib/docuware/rest/file-answer.js'
import { member } from '../../lib/docuware/rest/member.js'
import { startDocuWare, type DocuWare, type DocuWareOptions } from '../../testing/index.js'
import { json, rejection, startPlatform, TestAccess, testClient, type TestClient } from './rest-platform.js'

interface Simulated extends TestClient { readonly docuware: DocuWare, readonly cabinetId: string }

/** A simulator, and a client that is signed in to it. */
async function simulate (t: Test, options: DocuWareOptions = {}): Promise<Simulated> {
  const docuware = await startDocuWare(options)
  t.teardown(() => docuware.stop())
  return { docuware, cabinetId: docuware.fileCabinets[0]?.id ?? '', ...testClient(docuware.platformUrl, { access: await signedIn(docuware) }) }
}

async function signedIn ({ platformUrl, identityUrl, clientId, clientSecret }: DocuWare): Promise<TestAccess> {
  const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret ?? '', scope: 'docuware.platform' })
  const answer: unknown = await (await fetch(`${identityUrl}/connect/token`, { method: 'POST', body: form })).json()
  return new TestAccess(platformUrl, typeof answer === 'object' && answer !== null && 'access_token' in answer ? String(answer.access_token) : '')
}

async function all<Item> (items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

/** Resolves when what `read` says has been the same for a while. */
async function settled (read: () => number): Promise<void> {
  let last
  do {
    last = read()
    for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => { setImmediate(resolve) })
  } while (last === 0 || last !== read())
}

const ids = (documents: ReadonlyArray<{ readonly [name: string]: unknown }>): unknown[] => documents.map((document) => member(document, 'Id'))

t.test('the named calls, whatever letters\' case the keys are in', async (t) => {
  const { docuware, dw, cabinetId } = await simulate(t)
  for (const keyCase of ['Pascal', 'camel'] as const) {
    docuware.set({ keyCase })
    const name = (object: { readonly [name: string]: unknown }): unknown => member(object, 'Name')
    t.same((await dw.organizations()).map(name), ['acme'])
    t.match(JSON.stringify(await dw.whoami()), docuware.user.name)
    t.same((await dw.fileCabinets()).map(name), ['Invoices', 'Contracts', 'Inbox'])
    t.equal(name(await dw.fileCabinet(cabinetId)), 'Invoices')
    t.not((await dw.dialogs(cabinetId)).length, 0)
    t.equal(member(await dw.document(cabinetId, 7), 'Id'), 7)
    t.equal(member(await dw.document(cabinetId, '7'), 'Id'), 7)
    const documents = await all(dw.documents(cabinetId, { pageSize: 10 }))
    t.same(ids(documents), Array.from({ length: 25 }, (_, index) => index + 1))
  }
  t.same(docuware.usersCreated(), [], 'whoami creates nobody')
  t.match(await rejection(dw.fileCabinet('unknown')), { code: 'DWA_DOCUWARE_HTTP', status: 422, docuwareMessage: /unknown/ })
  t.match(await rejection(dw.document(cabinetId, 4711)), { status: 404 })
  t.type(await dw.get('/'), Object)
})

t.test('the client is right in every position of the simulator\'s switches', async (t) => {
  const { docuware, dw, cabinetId, access, waits } = await simulate(t)
  for (const unauthenticated of ['json', 'html'] as const) {
    docuware.set({ unauthenticated })
    docuware.expireTokens()
    const next = await signedIn(docuware)
    access.renew = async () => (access.bearer = next.bearer)
    t.equal((await dw.organizations()).length, 1, unauthenticated)
  }
  docuware.set({ licencesExhausted: true })
  t.match(await rejection(dw.whoami()), { code: 'DWA_DOCUWARE_LICENCES' })
  docuware.set({ licencesExhausted: false })
  for (const [as, found] of [['xml', /XML/], ['html', /HTML/]] as const) {
    docuware.disguiseNext(1, as)
    t.match(await rejection(dw.whoami()), { code: 'DWA_DOCUWARE_NOT_JSON', message: found })
    docuware.disguiseNext(1, as, { status: 403 })
    t.match(await rejection(dw.whoami()), { code: 'DWA_DOCUWARE_HTTP', status: 403, message: found })
  }
  t.match(await rejection(dw.post('/Account/Logon', { json: {} })), { code: 'DWA_DOCUWARE_LEGACY_LOGON' })
  t.same(waits, [])
  docuware.throttle(1)
  docuware.throttle(1, { retryAfter: 3 })
  await dw.updateFields(cabinetId, 1, { NUMBER: 1 })
  t.same(waits.splice(0), [60_000, 3000])
  docuware.dropNext(2)
  t.type(await dw.document(cabinetId, 1), Object)
  t.equal(waits.splice(0).length, 2)
  docuware.failNext(1, 500, { message: 'Broken', exception: 'System.Exception' })
  t.match(await rejection(dw.document(cabinetId, 1)), { status: 500, docuwareMessage: 'Broken' })
  t.same(waits, [])
})

t.test('a login token comes as JSON or as it is, and lives as long as it was asked to', async (t) => {
  const { docuware, dw } = await simulate(t)
  const token = await dw.loginToken()
  t.same(docuware.secretsIssued().loginTokens, [token])
  let type = 'text/plain'
  let text = 'a.b+c/d='
  const { platformUrl, seen } = await startPlatform(t, (_request, response) => { response.writeHead(200, { 'content-type': type }).end(text) })
  const plain = testClient(platformUrl).dw
  t.equal(await plain.loginToken({ targetProducts: ['WebClient'], usage: 'Multi', lifetimeSeconds: 93_784 }), 'a.b+c/d=')
  t.same(JSON.parse(seen.at(-1)?.body ?? ''), { TargetProducts: ['WebClient'], Usage: 'Multi', Lifetime: '1.02:03:04' })
  await plain.loginToken()
  t.same(JSON.parse(seen.at(-1)?.body ?? ''), { TargetProducts: ['PlatformService'], Usage: 'Single', Lifetime: '0.01:00:00' })
  t.equal(seen.at(-1)?.headers.accept, 'application/json')
  for (const lifetimeSeconds of [0, -1, 1.5, NaN]) t.match(await rejection(plain.loginToken({ lifetimeSeconds })), { code: 'DWA_DOCUWARE_INVALID_REQUEST' })
  for (const other of ['', '<html>', '{"token":"x"}', 'two words']) {
    [type, text] = ['application/json', other]
    t.match(await rejection(plain.loginToken()), { code: 'DWA_DOCUWARE_UNEXPECTED_ANSWER', message: /^[^<{]*$/ }, other)
  }
})

t.test('an answer of another shape than documented is an error, not an empty list', async (t) => {
  let answer: unknown = null
  const { platformUrl } = await startPlatform(t, (_request, response) => { json(response, answer) })
  const { dw } = testClient(platformUrl)
  const shapes: Array<[answer: unknown, list: boolean, object: boolean]> = [[null, false, false], ['text', false, false], [1, false, false], [{}, false, true], [{ Organization: 'x' }, false, true], [{ Organization: [1] }, false, true], [[{ Id: 1 }], true, false], [{ organization: [] }, true, true]]
  for (const [shape, list, object] of shapes) {
    answer = shape
    const expected = (good: boolean): object | null => good ? null : { code: 'DWA_DOCUWARE_UNEXPECTED_ANSWER' }
    t.match(await rejection(dw.organizations()), expected(list), JSON.stringify(shape))
    t.match(await rejection(dw.whoami()), expected(object), JSON.stringify(shape))
  }
})

t.test('documents are asked for as the query says', async (t) => {
  const { platformUrl, seen } = await startPlatform(t, (_request, response) => { json(response, { Items: [] }) })
  const { dw } = testClient(platformUrl)
  const sent = async (query: Parameters<typeof dw.documents>[1]): Promise<string> => {
    await all(dw.documents('c', query))
    const { method, url, body } = seen.at(-1) ?? { method: '', url: '', body: '' }
    return `${method} ${url.replace('/DocuWare/Platform/FileCabinets/c', '')} ${body}`
  }
  t.equal(await sent(undefined), 'GET /Documents?count=1000&start=0 ')
  t.equal(await sent({ pageSize: 10_000, start: 5, fields: ['A', 'B'], sort: [{ field: 'A' }, { field: 'B', direction: 'Desc' }] }), 'GET /Documents?count=10000&start=5&fields=A%2CB&sortOrder=A+Asc%2CB+Desc ')
  t.equal(await sent({ dialogId: 'd' }), 'POST /Query/DialogExpression?dialogId=d&count=1000&start=0 {"Condition":[],"Operation":"And"}')
  t.equal(await sent({ conditions: [{ field: 'COMPANY', value: 'Acme*' }, { field: 'N', value: 5 }], operation: 'Or', fields: ['A'], sort: [{ field: 'A' }] }),
    'POST /Query/DialogExpression?count=1000&start=0&fields=A {"Condition":[{"DBName":"COMPANY","Value":["Acme*"]},{"DBName":"N","Value":["5"]}],"Operation":"Or","SortOrder":[{"Field":"A","Direction":"Asc"}]}')
  t.match(await sent({ conditions: [{ field: 'D', from: new Date('2026-01-31'), to: new Date('2026-02-01T10:00:00Z') }, { field: 'N', from: 5 }, { field: 'N', to: 7 }] }),
    '{"Condition":[{"DBName":"D","Value":["2026-01-31","2026-02-01T10:00:00.000Z"]},{"DBName":"N","Value":["5",null]},{"DBName":"N","Value":[null,"7"]}],"Operation":"And"}')
  const count = seen.length
  for (const query of [{ pageSize: 0 }, { pageSize: 10_001 }, { pageSize: 1.5 }, { start: -1 }, { start: NaN }]) t.throws(() => dw.documents('c', query), { code: 'DWA_DOCUWARE_INVALID_REQUEST' }, JSON.stringify(query))
  t.throws(() => dw.documents('..'), { code: 'DWA_DOCUWARE_INVALID_REQUEST' })
  dw.documents('c')
  t.equal(seen.length, count, 'nothing is asked before somebody reads')
})

t.test('a search by conditions, across pages', async (t) => {
  const { dw, docuware, cabinetId } = await simulate(t, { fileCabinets: [{ name: 'Invoices', documents: 600 }] })
  const query = { pageSize: 40, conditions: [{ field: 'COMPANY', value: 'Peters*' }, { field: 'NUMBER', from: 10_100, to: 10_500 }], sort: [{ field: 'DWDOCID', direction: 'Desc' as const }] }
  const found = await all(dw.documents(cabinetId, query))
  const expected = Array.from({ length: 600 }, (_, index) => 600 - index).filter((id) => id % 6 === 0 && id >= 100 && id <= 500)
  t.same(ids(found), expected)
  t.equal(docuware.calls().filter(({ method }) => method === 'POST').length, 2, 'the token, and the first page')
  docuware.failNext(1, 503)
  t.equal((await all(dw.documents(cabinetId, query))).length, expected.length, 'a search that fails is sent again')
})

t.test('the next page is where the last one says, but never elsewhere, and not in a circle', async (t) => {
  const { docuware, dw, cabinetId } = await simulate(t)
  docuware.set({ nextLink: 'url' })
  t.equal((await all(dw.documents(cabinetId, { pageSize: 7 }))).length, 25)
  docuware.set({ nextLink: 'foreign' })
  const seen: unknown[] = []
  const read = async (): Promise<void> => { for await (const document of dw.documents(cabinetId, { pageSize: 7 })) seen.push(document) }
  t.match(await rejection(read()), { code: 'DWA_DOCUWARE_FOREIGN_ORIGIN' })
  t.equal(seen.length, 7, 'what came before is there')
  t.same(docuware.calls().filter(({ origin }) => origin === 'foreign'), [])

  let page: object = {}
  const own = await startPlatform(t, (_request, response) => { json(response, page) })
  const other = testClient(own.platformUrl).dw
  const pages = async (answer: object): Promise<unknown> => {
    page = answer
    return await rejection(all(other.documents('c')))
  }
  const next = { rel: 'NEXT', href: '/DocuWare/Platform/FileCabinets/c/Documents?start=1' }
  t.match(await pages({ Items: [{ Id: 1 }], Links: [next] }), { code: 'DWA_DOCUWARE_UNEXPECTED_ANSWER', message: /lead back to themselves/ })
  t.equal(own.seen.length, 2)
  for (const [name, Links] of Object.entries({ 'no list': 'x', 'no objects': [null, 'x'], 'no address': [{ rel: 'next' }, { rel: 'next', href: '' }, { href: 'x' }], others: [{ rel: 'self', href: 'x' }] })) t.equal(await pages({ Items: [{ Id: 1 }], Links }), null, name)
  const count = own.seen.length
  const circle = ['A', 'B', 'C']
  const circling = await startPlatform(t, ({ url }, response) => {
    const at = circle.findIndex((name) => url.includes(`page=${name}`))
    json(response, { Items: [{ Id: 1 }], Links: [{ rel: 'next', href: `/DocuWare/Platform/FileCabinets/c/Documents?page=${circle[(at + 1) % circle.length]}` }] })
  })
  t.match(await rejection(all(testClient(circling.platformUrl).dw.documents('c'))), { message: /lead back to themselves/ })
  t.ok(circling.seen.length < 12, `a circle of three is found after ${circling.seen.length} pages`)
  t.equal(await pages({ Items: [], Links: [next] }), null, 'after an empty page comes nothing')
  t.equal(own.seen.length, count + 1)
  t.match(await pages({ Links: [next] }), { code: 'DWA_DOCUWARE_UNEXPECTED_ANSWER' })
})

t.test('100 000 documents pass through the memory of one page', async (t) => {
  const { dw, cabinetId } = await simulate(t, { fileCabinets: [{ name: 'Archive', documents: 100_000 }] })
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const heap = (): number => {
    collect()
    return process.memoryUsage().heapUsed
  }
  let [count, sum, peak] = [0, 0, 0]
  let before = 0
  for await (const document of dw.documents(cabinetId, { pageSize: 2000, fields: ['COMPANY'] })) {
    count++
    sum += Number(document['Id'])
    if (count === 1000) before = heap()
    if (count % 10_000 === 9999) peak = Math.max(peak, heap())
  }
  t.equal(count, 100_000)
  t.equal(sum, 100_000 * 100_001 / 2)
  const growth = (peak - before) / 2 ** 20
  t.comment(`${growth.toFixed(1)} MiB more than in the middle of the first page`)
  t.ok(growth < 8, `${growth.toFixed(1)} MiB`)
})

t.test('fields are written as DocuWare has them', async (t) => {
  const { dw, cabinetId, docuware } = await simulate(t)
  const value = (fields: ReadonlyArray<{ readonly [name: string]: unknown }>, name: string): unknown => fields.find(({ FieldName }) => FieldName === name)?.['Item']
  docuware.failNext(1, 502)
  const fields = await dw.updateFields(cabinetId, 3, { COMPANY: 'Größe "1"', NUMBER: 7, AMOUNT: 5.5, INVOICE_DATE: { Item: '2026-01-31', ItemElementName: 'Date' }, NOTE: 'x' })
  t.same(['COMPANY', 'NUMBER', 'AMOUNT', 'INVOICE_DATE', 'NOTE'].map((name) => value(fields, name)), ['Größe "1"', 7, 5.5, `/Date(${Date.UTC(2026, 0, 31)})/`, 'x'])
  t.same(readDocuWareDate(value(fields, 'INVOICE_DATE')), new Date('2026-01-31'))
  const cleared = await dw.updateFields(cabinetId, 3, [{ FieldName: 'NOTE', Item: null, ItemElementName: 'Memo' }])
  t.equal(value(cleared, 'NOTE'), undefined)
  t.match(await rejection(dw.updateFields(cabinetId, 3, { DWDOCID: 1 })), { status: 422, docuwareMessage: /read-only/ })

  const { platformUrl, seen } = await startPlatform(t, (_request, response) => { json(response, { Field: [] }) })
  await testClient(platformUrl).dw.updateFields('c', 1, { A: new Date(0), B: null, C: ['k1', 'k2'], D: { Item: 1, ItemElementName: 'Decimal' } })
  t.same(JSON.parse(seen[0]?.body ?? ''), {
    Field: [
      { FieldName: 'A', Item: '1970-01-01T00:00:00.000Z', ItemElementName: 'DateTime' },
      { FieldName: 'B', Item: null, ItemElementName: 'String', IsNull: true },
      { FieldName: 'C', Item: { $type: 'DocumentIndexFieldKeywords', Keyword: ['k1', 'k2'] }, ItemElementName: 'Keywords' },
      { FieldName: 'D', Item: 1, ItemElementName: 'Decimal' }
    ]
  })
})

t.test('dates are read from what DocuWare writes and written as its searches take them', async (t) => {
  for (const [text, date] of [
    ['/Date(1781144834365)/', '2026-06-11T02:27:14.365Z'], ['/Date(1781144834365+0200)/', '2026-06-11T02:27:14.365Z'], ['/Date(-1000)/', '1969-12-31T23:59:59.000Z'],
    ['/Date(-62135596800000)/', null], ['/Date(9999999999999999)/', null], ['/Date(x)/', null], ['2026-06-11', null], ['', null], [1781144834365, null], [null, null], [undefined, null]
  ] as const) t.equal(readDocuWareDate(text)?.toISOString() ?? null, date, String(text))
  t.equal(searchDate(new Date('2026-01-31')), '2026-01-31')
  t.equal(searchDate(new Date('2026-01-31T00:00:00.001Z')), '2026-01-31T00:00:00.001Z')
  t.throws(() => searchDate(new Date(NaN)), RangeError)
})

t.test('a file is uploaded from whatever holds it, with its name, its type and its fields', async (t) => {
  const { dw, cabinetId, docuware } = await simulate(t)
  const bytes = randomBytes(300_000)
  const half = bytes.length / 2
  const web = (): ReadableStream<Uint8Array> => new ReadableStream({ start (controller) { controller.enqueue(bytes.subarray(0, half)); controller.enqueue(bytes.subarray(half)); controller.close() } })
  const sources = {
    'a Buffer': bytes,
    'a Uint8Array': new Uint8Array(bytes),
    'a Blob': new Blob([bytes]),
    'a Node stream': Readable.from([bytes.subarray(0, half), bytes.subarray(half)], { objectMode: false }),
    'a web stream': web(),
    'a generator': (async function * () { yield bytes })(),
    'a function': () => bytes,
    'a function that opens a stream': () => Readable.from([bytes], { objectMode: false })
  }
  for (const [name, source] of Object.entries(sources)) {
    const fileName = `Größe "${name}"\r\n.pdf`
    const stored = await dw.upload(cabinetId, source, { fileName, contentType: 'application/pdf', fields: { COMPANY: 'Großküchen' } })
    t.match(docuware.uploads().at(-1), { contentType: 'application/pdf', bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'), id: stored['Id'], fileName: `Größe %22${name}%22%0D%0A.pdf` }, name)
    t.match(JSON.stringify(await dw.document(cabinetId, Number(stored['Id']))), /"Großküchen"/, name)
  }
  const text = await dw.upload(cabinetId, Readable.from(['Grö', 'ße']), { fileName: 'a.txt', storeDialogId: 'd' })
  t.match(docuware.uploads().at(-1), { id: text['Id'], contentType: 'application/octet-stream', bytes: Buffer.byteLength('Größe') })
  const blob = await openAsBlob(import.meta.filename)
  await dw.upload(cabinetId, blob, { fileName: 'self.ts' })
  t.equal(docuware.uploads().at(-1)?.bytes, blob.size)
  await dw.upload(cabinetId, '', { fileName: 'empty' })
  t.equal(docuware.uploads().at(-1)?.bytes, 0)

  const count = docuware.uploads().length
  for (const options of [{ fileName: '' }, { fileName: 'x', contentType: 'text' }, { fileName: 'x', contentType: 'text/plain\r\nx: y' }]) t.match(await rejection(dw.upload(cabinetId, 'x', options)), { code: 'DWA_DOCUWARE_INVALID_REQUEST' }, JSON.stringify(options))
  t.match(await rejection(dw.upload(cabinetId, 'x', { fileName: 'x', fields: { NOSUCH: 1 } })), { status: 422 })
  t.equal(docuware.uploads().length, count)
})

t.test('an upload says how long it is where that is known', async (t) => {
  const { platformUrl, seen } = await startPlatform(t, (_request, response) => { json(response, {}) })
  const { dw } = testClient(platformUrl)
  const stream = (): Readable => Readable.from([Buffer.from('12345')])
  const headers = async (call: Promise<unknown>): Promise<object> => { await call; return seen.at(-1)?.headers ?? {} }
  const known = await headers(dw.upload('c', Buffer.from('12345'), { fileName: 'x' }))
  t.match(known, { 'content-length': String(Buffer.byteLength(seen.at(-1)?.body ?? '')), 'content-type': /^multipart\/form-data; boundary=docuware-[0-9a-f-]{36}$/ })
  t.match(await headers(dw.upload('c', stream(), { fileName: 'x', size: 5 })), { 'content-length': String(Buffer.byteLength(seen.at(-1)?.body ?? '')) })
  t.match(await headers(dw.upload('c', stream(), { fileName: 'x' })), { 'transfer-encoding': 'chunked' })
  t.match(await headers(dw.put('/x', { body: stream() })), { 'transfer-encoding': 'chunked' })
  for (const size of [0, 4, 6]) t.match(await rejection(dw.upload('c', stream(), { fileName: 'x', size })), { code: 'DWA_DOCUWARE_INVALID_REQUEST', message: new RegExp(`the ${size} bytes`) }, String(size))
})

t.test('what can be sent again is; a stream that was read can not, and the error says so', async (t) => {
  const sources = {
    'a Buffer': [() => Buffer.from('body'), true],
    'a Blob': [() => new Blob(['body']), true],
    'a text': [() => 'body', true],
    'a function': [() => () => Readable.from(['body']), true],
    'a stream': [() => Readable.from(['body']), false],
    'a web stream': [() => new Blob(['body']).stream(), false]
  } as const
  for (const [name, [source, again]] of Object.entries(sources)) {
    const statuses = [401, 429, 503]
    const { platformUrl, seen } = await startPlatform(t, ({ body }, response) => {
      const status = statuses.shift()
      if (status === undefined) json(response, { body })
      else json(response, { Message: 'again' }, status, { 'retry-after': '1' })
    })
    const { dw, access } = testClient(platformUrl)
    if (again) {
      t.same(await dw.put('/x', { body: source() }), { body: 'body' }, name)
      t.equal(seen.length, 4, name)
      continue
    }
    for (const status of [401, 429, 503]) {
      t.match(await rejection(dw.put('/x', { body: source() })), { code: 'DWA_DOCUWARE_BODY_USED', cause: { code: 'DWA_DOCUWARE_HTTP', status } }, `${name}: ${status}`)
    }
    t.equal(access.refused.length, 1, 'after a 401 the token is renewed all the same, for the next call')
    statuses.push(503, 422)
    for (const status of [503, 422]) t.match(await rejection(dw.post('/x', { body: source() })), { code: 'DWA_DOCUWARE_HTTP', status }, `${name}: ${status} would not have been sent again`)
  }
})

t.test('a stream that nothing was read of is still good', async (t) => {
  const { platformUrl } = await startPlatform(t, ({ body }, response) => { json(response, { body }) })
  let refused = 1
  const { dw, waits } = testClient(platformUrl, {
    fetch: async (input, init) => {
      if (refused-- > 0) throw new TypeError('fetch failed', { cause: Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }) })
      return await fetch(input, init)
    }
  })
  t.same(await dw.put('/x', { body: Readable.from(['body']) }), { body: 'body' })
  t.equal(waits.length, 1)
})

t.test('a source that fails, fails the upload with its own error', async (t) => {
  const { platformUrl, seen } = await startPlatform(t, (_request, response) => { json(response, {}) })
  const { dw, waits } = testClient(platformUrl)
  const broken = new Error('the disk is gone')
  async function * failing (): AsyncGenerator<Buffer> {
    yield Buffer.from('x')
    throw broken
  }
  t.equal(await rejection(dw.upload('c', failing(), { fileName: 'x' })), broken)
  t.equal(await rejection(dw.put('/x', { body: () => { throw broken } })), broken)
  t.same(seen, [])
  t.same(waits, [])
})

t.test('an upload is given up when DocuWare takes nothing for the time limit, not when the source is slow', async (t) => {
  const { platformUrl } = await startPlatform(t, (_request, response) => { json(response, {}) })
  const { dw, clock } = testClient(platformUrl, { tries: 1 })
  async function * slow (): AsyncGenerator<Buffer> {
    for (let piece = 0; piece < 5; piece++) {
      clock.advance(60_000)
      yield Buffer.from('x')
    }
    clock.advance(60_000)
  }
  t.same(await dw.upload('c', slow(), { fileName: 'x' }), {})

  const deaf = createServer((incoming) => { incoming.pause() }) // takes the headers, and no more than the socket holds
  await new Promise<void>((resolve) => { deaf.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { deaf.close(); deaf.closeAllConnections() })
  const address = deaf.address()
  const client = testClient(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/DocuWare/Platform`, { tries: 1 })
  let taken = 0
  const endless = Readable.from((function * () { for (;;) { taken++; yield Buffer.alloc(64 * 1024) } })(), { objectMode: false })
  const upload = rejection(client.dw.upload('c', endless, { fileName: 'x' }))
  await settled(() => taken)
  client.clock.advance(30_000)
  t.match(await upload, { code: 'DWA_DOCUWARE_TIMEOUT' })
  t.ok(taken < 1000, `${taken} pieces were read ahead`)
  if (!endless.closed) await new Promise<void>((resolve) => { endless.once('close', resolve) })
  t.pass('and the source is let go')
})

t.test('a file is downloaded as it comes, with what DocuWare says of it', async (t) => {
  const { dw, cabinetId, docuware } = await simulate(t, { fileCabinets: [{ name: 'Invoices', documents: 2, fileBytes: 1_000_000 }] })
  docuware.expireTokens()
  const renewed = await signedIn(docuware)
  docuware.throttle(1, { retryAfter: 1 })
  const access = await signedIn(docuware)
  t.ok(renewed)
  const client = testClient(docuware.platformUrl, { access }).dw
  const { stream, contentType, fileName, size } = await client.download(cabinetId, 1, { targetFileType: 'Auto', keepAnnotations: true })
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of stream) {
    hash.update(chunk)
    bytes += chunk.length
  }
  t.same({ bytes, sha256: hash.digest('hex') }, docuware.file(cabinetId, 1))
  t.equal(size, bytes)
  t.match(fileName, /\.\w+$/)
  t.match(contentType, /^\w+\/\w+$/)
  t.match(docuware.calls().at(-1)?.path, /FileDownload/)
  t.match(await rejection(client.download(cabinetId, 3)), { code: 'DWA_DOCUWARE_HTTP', status: 404, docuwareMessage: String })
  t.match(await rejection(dw.download(cabinetId, 1)), { status: 401 })
})

t.test('names of files are read as they are meant, and lead to no folder', async (t) => {
  for (const [header, name] of [
    ['attachment; filename="a b.pdf"', 'a b.pdf'],
    ['attachment; filename=a.pdf', 'a.pdf'],
    ['attachment;FILENAME=a.pdf ; size=1', 'a.pdf'],
    ['attachment; filename="a \\"b\\" \\\\ c.pdf"', ' c.pdf'],
    ['attachment; filename="_.pdf"; filename*=UTF-8\'\'Gr%C3%B6%C3%9Fe.pdf', 'Größe.pdf'],
    ['attachment; filename*=utf-8\'de\'%E2%82%AC.pdf; filename="x.pdf"', '€.pdf'],
    ['attachment; filename="fallback.pdf"; filename*=UTF-8\'\'%E0%A4%A', 'fallback.pdf'],
    [`attachment; filename="${Buffer.from('Größe.pdf').toString('latin1')}"`, 'Größe.pdf'],
    ['attachment; filename="Gr\u00f6\u00dfe.pdf"', 'Größe.pdf'],
    ['attachment; filename="../../etc/passwd"', 'passwd'],
    ['attachment; filename=..\\..\\a.exe', 'a.exe'],
    ['attachment; filename*=UTF-8\'\'..%2F..%2Fa%00b', 'ab'],
    ['attachment; filename=".."', null],
    ['attachment; filename=""', null],
    ['attachment', null],
    ['', null]
  ] as const) t.equal(fileNameOf(header), name, header)
})

t.test('a download that stalls, breaks or is not wanted any more ends with a reason', async (t) => {
  let closed = (): void => {}
  let breakOff = (): void => {}
  const { platformUrl, seen } = await startPlatform(t, ({ url }, response, incoming) => {
    breakOff = () => { incoming.socket.destroy() }
    response.on('close', () => { closed() })
    if (url.endsWith('/none')) return response.writeHead(204).end()
    if (url.endsWith('/packed')) return response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': '20' }).end(Buffer.from('H4sIAAAAAAAAAwMAAAAAAAAAAAA=', 'base64'))
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': '1000' })
    response.write('a beginning', () => { if (url.endsWith('/broken')) incoming.socket.destroy() })
  })
  const { dw, clock } = testClient(platformUrl)
  const start = async (path: string, signal?: AbortSignal): Promise<{ stream: Readable, first: unknown }> => {
    const { stream, size } = await dw.open(path, signal === undefined ? {} : { signal })
    t.equal(size, 1000)
    stream.on('error', () => {}) // each is asked for by name below
    const [first] = await once(stream, 'data')
    await new Promise<void>((resolve) => { setImmediate(resolve) }) // now it waits for more
    return { stream, first }
  }
  const error = async (stream: Readable): Promise<unknown> => stream.errored ?? (await once(stream, 'error'))[0]

  const stalled = await start('/stalled')
  t.equal(String(stalled.first), 'a beginning')
  clock.advance(29_999)
  t.equal(stalled.stream.errored, null)
  clock.advance(1)
  t.match(await error(stalled.stream), { code: 'DWA_DOCUWARE_TIMEOUT' })

  t.match(await rejection(dw.open('/broken').then(async ({ stream }) => await stream.toArray())), { code: 'DWA_DOCUWARE_UNREACHABLE', message: /the connection was closed/ })
  const controller = new AbortController()
  const unwanted = await start('/stalled', controller.signal)
  const reason = new Error('gave up')
  controller.abort(reason)
  t.equal(await error(unwanted.stream), reason)
  const other = new AbortController()
  const odd = await start('/stalled', other.signal)
  other.abort('just a text')
  t.match(await error(odd.stream), { message: 'The download was ended', cause: 'just a text' })

  const idle = await dw.open('/idle')
  clock.advance(3_600_000)
  t.equal(idle.stream.errored, null, 'a reader may take its time')
  const gone = new Promise<void>((resolve) => { closed = resolve })
  idle.stream.destroy()
  await gone
  t.pass('a stream that is destroyed unread lets go of its connection')

  for (const client of [dw, testClient(platformUrl, { fetch }).dw]) {
    const broken = new Promise<void>((resolve) => { closed = resolve })
    const unread = await client.open('/breaks')
    breakOff()
    await broken
    for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => { setImmediate(resolve) })
    t.match(await rejection(unread.stream.toArray()), { code: 'DWA_DOCUWARE_UNREACHABLE' }, 'who reads late is told, and nobody else')
  }

  const none = await dw.open('/none')
  t.same(await none.stream.toArray(), [])
  t.match(none, { size: null, fileName: null, contentType: null })
  t.equal((await dw.open('/packed')).size, null, 'the size of what is packed says nothing')
  t.equal(seen.at(-1)?.headers['accept-encoding'], 'identity')
})

t.test('200 MB go either way through less than 64 MB of memory', async (t) => {
  const bytes = 200_000_000
  const docuware = await startDocuWare({ fileCabinets: [{ name: 'Large', documents: 1, fileBytes: bytes }] })
  t.teardown(() => docuware.stop())
  const cabinetId = docuware.fileCabinets[0]?.id ?? ''
  const { bearer } = await signedIn(docuware)
  for (const task of ['upload', 'download']) {
    const worker = fork(new URL('../workers/rest-worker.ts', import.meta.url), [docuware.platformUrl, bearer.accessToken, cabinetId, task, String(bytes)], { execArgv: [...process.execArgv, '--expose-gc'] })
    t.teardown(() => worker.kill('SIGKILL'))
    const [told] = await once(worker, 'message')
    const { extra, ...moved } = told
    const there = task === 'upload' ? docuware.uploads().at(-1) : docuware.file(cabinetId, 1)
    t.match(there, { bytes: moved.bytes, sha256: moved.sha256 }, task)
    t.equal(moved.bytes, bytes)
    t.comment(`${task}: ${(extra / 1e6).toFixed(1)} MB more than before`)
    t.ok(extra < 64e6, `${task}: ${extra} bytes`)
  }
})
