import { createHash } from 'node:crypto'
import { get, request } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { DocuWare, DocuWareSwitches } from '../../testing/index.js'
import { ManualClock } from '../manual-clock.js'
import { authorize, call, credentials, link, pick, postToken, read, simulator, tokensOf } from './docuware-flow.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')

/** Bytes of buffers that are in use. */
function buffersInUse (): number {
  collectGarbage()
  return process.memoryUsage().arrayBuffers
}

/** The id of the file cabinet with this name. */
function cabinetId (dw: DocuWare, name = 'Invoices'): string {
  return dw.fileCabinets.find((cabinet) => cabinet.name === name)?.id ?? ''
}

/** An access token for the platform. */
async function signedIn (dw: DocuWare): Promise<string> {
  return (await tokensOf(await postToken(dw, { grant_type: 'client_credentials', ...credentials(dw) }))).accessToken
}

function putJson (method: string, value: unknown): RequestInit {
  return { method, body: JSON.stringify(value), headers: { 'content-type': 'application/json' } }
}

/** Follows a list's `next` links; the ids of each page. */
async function pages (dw: DocuWare, accessToken: string, first: Response): Promise<number[][]> {
  const found: number[][] = []
  for (let answer: Response | null = first; answer !== null;) {
    const page = await read(answer)
    const items = page['Items']
    found.push(Array.isArray(items) ? items.map((item: unknown) => Number(pick(item, 'Id'))) : [])
    const next = link(page, 'next')
    answer = next === undefined ? null : await call(dw, next, accessToken)
  }
  return found
}

function upTo (last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1)
}

t.test('answers are XML unless the Accept header names JSON', async (t) => {
  const dw = await simulator(t)
  const cases: Array<[{ readonly accept?: string }, string]> = [
    [{}, 'xml'],
    [{ accept: '*/*' }, 'xml'],
    [{ accept: 'text/html' }, 'xml'],
    [{ accept: 'application/json' }, 'json'],
    [{ accept: 'text/html, application/json;q=0.9' }, 'json'],
    [{ accept: 'application/vnd.docuware.platform.x+json' }, 'json']
  ]
  for (const [headers, expected] of cases) {
    const type = await new Promise((resolve, reject) => {
      get(`${dw.platformUrl}/Home/IdentityServiceInfo`, { headers }, (answer) => { resolve(answer.resume().headers['content-type']) }).on('error', reject)
    })
    t.equal(type, `application/${expected}; charset=utf-8`, JSON.stringify(headers))
  }
  const xml = await (await fetch(`${dw.platformUrl}/Home/IdentityServiceInfo`)).text()
  t.equal(xml, `<?xml version="1.0" encoding="utf-8"?><IdentityServiceInfo xmlns="http://dev.docuware.com/schema/public/services/platform"><IdentityServiceUrl>${dw.identityUrl}</IdentityServiceUrl><RefreshTokenSupported>true</RefreshTokenSupported></IdentityServiceInfo>`)
  const accessToken = await signedIn(dw)
  t.match(await (await call(dw, `/FileCabinets/${cabinetId(dw, 'Contracts')}/Documents?count=2`, accessToken, { headers: { accept: '*/*' } })).text(), /^<\?xml.*<Items><Fields>.*<\/Items><Items>.*<\/Items><Count><HasMore>true<\/HasMore><Value>3<\/Value><\/Count>.*<\/DocumentsQueryResult>$/)
})

t.test('what needs no token', async (t) => {
  const dw = await simulator(t)
  const json = { headers: { accept: 'application/json' } }
  t.match(await read(await fetch(`${dw.platformUrl}/`, json)), { Links: [{ rel: 'organizations', href: '/DocuWare/Platform/Organizations' }], Version: String })
  t.match(await read(await fetch(dw.platformUrl, json)), { Links: Array })
  t.match(await read(await fetch(`${dw.platformUrl.toLowerCase()}/home/identityserviceinfo`, json)), { IdentityServiceUrl: dw.identityUrl }, 'letters\' case does not matter')
  const logon = await fetch(`${dw.platformUrl}/Account/Logon`, { ...json, method: 'POST', body: 'UserName=x' })
  t.equal(logon.status, 410)
  t.match(await read(logon), { Message: /no longer/, Method: 'POST', StatusCode: 410, Status: 'Gone', Uri: `${dw.platformUrl}/Account/Logon` })
  const cases: Array<[Partial<DocuWareSwitches>, object]> = [
    [{ identityServiceUrl: '' }, { IdentityServiceUrl: '', RefreshTokenSupported: true }],
    [{ identityServiceUrl: null }, { RefreshTokenSupported: true }],
    [{ identityServiceUrl: 'http://10.0.0.1/x/' }, { IdentityServiceUrl: 'http://10.0.0.1/x/', RefreshTokenSupported: true }],
    [{ keyCase: 'camel' }, { identityServiceUrl: 'http://10.0.0.1/x/', refreshTokenSupported: true }]
  ]
  for (const [switches, expected] of cases) {
    dw.set(switches)
    t.strictSame(await read(await fetch(`${dw.platformUrl}/Home/IdentityServiceInfo`, json)), expected, JSON.stringify(switches))
  }
})

t.test('401 and 403', async (t) => {
  const dw = await simulator(t, { autoApprove: true })
  const paths = ['/Organizations', '/Organization', '/Organization/UserInfo', '/Organization/LoginToken', '/FileCabinets', `/FileCabinets/${cabinetId(dw)}`, `/FileCabinets/${cabinetId(dw)}/Documents/1/FileDownload`, '/nothing']
  for (const path of paths) {
    const answer = await fetch(dw.platformUrl + path)
    t.strictSame([answer.status, answer.headers.get('www-authenticate')], [401, 'Bearer'], path)
    t.match(await read(answer), { StatusCode: 401, Status: 'Unauthorized', Message: String })
  }
  const wrong = await call(dw, '/Organizations', 'x')
  t.strictSame([wrong.status, wrong.headers.get('www-authenticate')], [401, 'Bearer error="invalid_token"'])
  dw.set({ unauthenticated: 'html' })
  const page = await call(dw, '/Organizations', 'x')
  t.match([page.status, page.headers.get('content-type'), await page.text()], [401, 'text/html', `url=${dw.identityUrl}/Account/Login`])
  t.equal((await call(dw, '/Organizations', (await authorize(dw, { scope: 'openid' })).accessToken)).status, 403)
  const accessToken = await signedIn(dw)
  dw.set({ licencesExhausted: true })
  const exhausted = await call(dw, '/Organizations', accessToken)
  t.equal(exhausted.status, 401)
  t.match(await read(exhausted), { Message: `None of the registered licenses are available for client ${dw.user.username}`, StatusCode: 401 })
  dw.set({ licencesExhausted: false })
  t.equal((await call(dw, '/Organizations', accessToken)).status, 200)
})

t.test('what is not there, and other methods', async (t) => {
  const dw = await simulator(t)
  const accessToken = await signedIn(dw)
  const cabinet = `/FileCabinets/${cabinetId(dw)}`
  const cases: Array<[string, string, number]> = [
    ['GET', '/Nothing', 404],
    ['GET', `${cabinet}/Nothing`, 404],
    ['GET', `${cabinet}/Documents/1/Nothing`, 404],
    ['GET', `${cabinet}/Documents/1/Fields/x`, 404],
    ['GET', `${cabinet}/Documents/0`, 404],
    ['GET', `${cabinet}/Documents/26`, 404],
    ['GET', `${cabinet}/Documents/1e0`, 404],
    ['GET', `${cabinet}/Dialogs/x`, 404],
    ['GET', `${cabinet}/Dialogs/x/y`, 404],
    ['GET', `${cabinet}/Query/Nothing`, 404],
    ['GET', '/FileCabinets/00000000-0000-0000-0000-000000000000', 422],
    ['POST', '/Organizations', 405],
    ['DELETE', '/Organization', 405],
    ['PUT', '/Organization/UserInfo', 405],
    ['GET', '/Organization/LoginToken', 405],
    ['POST', '/FileCabinets', 405],
    ['DELETE', cabinet, 405],
    ['DELETE', `${cabinet}/Documents`, 405],
    ['DELETE', `${cabinet}/Documents/1`, 405],
    ['POST', `${cabinet}/Documents/1/Fields`, 405],
    ['POST', `${cabinet}/Dialogs`, 405],
    ['PUT', `${cabinet}/Query/DialogExpression`, 405],
    ['POST', '/Home/IdentityServiceInfo', 405]
  ]
  for (const [method, path, status] of cases) {
    const answer = await call(dw, path, accessToken, { method })
    t.match([answer.status, await read(answer)], [status, { Message: String, Method: method, StatusCode: status, Uri: dw.platformUrl + path }], `${method} ${path}`)
  }
  const outside = await fetch(new URL('/elsewhere', dw.platformUrl), { headers: { accept: 'application/json' } })
  t.match([outside.status, await read(outside)], [404, { StatusCode: 404 }])
})

t.test('the organization and its users', async (t) => {
  const dw = await simulator(t, { organization: 'Peters Engineering' })
  const accessToken = await signedIn(dw)
  t.match(await read(await call(dw, '/Organizations', accessToken)), { Organization: [{ Id: '1', Name: 'Peters Engineering', Guid: dw.organization.guid, Links: Array }] })
  t.match(await read(await call(dw, '/Organization', accessToken)), { Name: 'Peters Engineering' })
  t.match(await read(await call(dw, '/Organization/UserInfo', accessToken)), { User: { Id: dw.user.sub, Name: 'Peggy Jenkins', FirstName: 'Peggy', LastName: 'Jenkins', DBName: dw.user.username, EMail: dw.user.email, Active: true } })
  t.strictSame(dw.usersCreated(), [])
  const user = { Name: 'New One', DbName: 'NEW', Email: 'new@example.com', Password: 'x' }
  t.match(await read(await call(dw, '/Organization/UserInfo', accessToken, { ...putJson('POST', user), headers: { 'content-type': 'application/vnd.docuware.platform.createorganizationuser+json' } })), { Name: 'New One', DBName: 'NEW', EMail: 'new@example.com' })
  t.strictSame(dw.usersCreated(), [user])
  dw.set({ userInfoPost: '405' })
  t.equal((await call(dw, '/Organization/UserInfo', accessToken, putJson('POST', user))).status, 405)
  t.equal(dw.usersCreated().length, 1)
  const token: unknown = await (await call(dw, '/Organization/LoginToken', accessToken, putJson('POST', { TargetProducts: ['PlatformService'], Usage: 'Multi', Lifetime: '1.00:00:00' }))).json()
  t.strictSame(dw.secretsIssued().loginTokens, [token])
  const bodies: Array<[RequestInit, number]> = [
    [{ method: 'POST', body: '{}', headers: { 'content-type': 'text/plain' } }, 415],
    [{ method: 'POST', body: '{', headers: { 'content-type': 'application/json' } }, 400],
    [{ method: 'POST', body: '[]', headers: { 'content-type': 'application/json' } }, 400],
    [{ method: 'POST', body: JSON.stringify('x'.repeat(2 ** 20)), headers: { 'content-type': 'application/json' } }, 413]
  ]
  for (const [init, status] of bodies) t.equal((await call(dw, '/Organization/LoginToken', accessToken, init)).status, status)
})

t.test('file cabinets and their dialogs', async (t) => {
  const clock = new ManualClock()
  const dw = await simulator(t, { now: () => clock.now(), fileCabinets: [{ id: 'b0f1', name: 'Akten' }, { name: 'Korb', isBasket: true, documents: 0 }] })
  const accessToken = await signedIn(dw)
  const list = await read(await call(dw, '/FileCabinets?OrgId=1', accessToken))
  t.match(list, { FileCabinet: [{ Id: 'b0f1', Name: 'Akten', IsBasket: false, Color: 'Yellow' }, { Name: 'Korb', IsBasket: true }] })
  t.strictSame(pick(list, 'FileCabinet.1.Id'), dw.fileCabinets.at(1)?.id)
  const cabinet = await read(await call(dw, '/filecabinets/B0F1', accessToken))
  t.match(cabinet, { Id: 'b0f1', Fields: [{ DBFieldName: 'DWDOCID', DWFieldType: 'Int', SystemField: true }] })
  const dialogs = await read(await call(dw, link(cabinet, 'dialogs') ?? '', accessToken))
  t.match(dialogs, { Dialog: [{ $type: 'DialogInfo', Type: 'Search', FileCabinetId: 'b0f1', IsDefault: true }, { Type: 'Store' }, { Type: 'ResultList' }] })
  t.match(await read(await call(dw, '/FileCabinets/b0f1/Dialogs?dialogType=store', accessToken)), { Dialog: [{ Type: 'Store' }] })
  const search = await read(await call(dw, link(pick(dialogs, 'Dialog.0'), 'self') ?? '', accessToken))
  t.match(search, { $type: 'Dialog', Id: pick(dialogs, 'Dialog.0.Id'), Fields: [{ DBFieldName: 'COMPANY', DlgLabel: 'Company', DWFieldType: 'String' }] })
  t.match(link(pick(search, 'Query'), 'dialogExpression'), '/DocuWare/Platform/FileCabinets/b0f1/Query/DialogExpression?dialogId=')

  t.test('the list is limited to 60 in any minute', async (t) => {
    clock.advance(60_000)
    const statuses = async (count: number): Promise<number[]> => (await Promise.all(upTo(count).map(() => call(dw, '/FileCabinets', accessToken)))).map(({ status }) => status)
    t.ok((await statuses(60)).every((status) => status === 200))
    clock.advance(59_999)
    t.strictSame(await statuses(1), [429])
    t.equal((await call(dw, '/FileCabinets/b0f1', accessToken)).status, 200, 'one cabinet is not limited')
    clock.advance(1)
    t.strictSame(await statuses(1), [200])
    dw.set({ fileCabinetsPerMinute: 1 })
    t.strictSame(await statuses(1), [429])
    dw.set({ fileCabinetsPerMinute: 0 })
    t.strictSame(new Set(await statuses(70)), new Set([200]))
  })
})

t.test('documents', async (t) => {
  const dw = await simulator(t, { fileCabinets: [{ name: 'Invoices', documents: 25, fileBytes: 100 }, { name: 'Huge', documents: 100_000 }, { name: 'Empty', documents: 0 }] })
  const accessToken = await signedIn(dw)
  const path = `/FileCabinets/${cabinetId(dw)}/Documents`
  const list = (query: string): Promise<Response> => call(dw, `${path}?${query}`, accessToken)

  t.test('are shown with fields, dates as DocuWare writes them, and a section', async (t) => {
    t.match(await read(await call(dw, `${path}/1`, accessToken)), {
      Id: 1,
      Title: 'Invoices 1',
      FileCabinetId: cabinetId(dw),
      OrganizationGuid: dw.organization.guid,
      ContentType: 'application/pdf',
      FileSize: 100,
      CreatedAt: `/Date(${Date.UTC(2024, 0, 1, 0, 1)})/`,
      Fields: [
        { FieldName: 'DWDOCID', FieldLabel: 'Document ID', Item: 1, ItemElementName: 'Int', IsNull: false, ReadOnly: true, SystemField: true },
        ...Array(10).fill({ FieldName: String }),
        { FieldName: 'INVOICE_DATE', Item: `/Date(${Date.UTC(2023, 11, 31)})/`, ItemElementName: 'Date' },
        { FieldName: 'AMOUNT', Item: 5.3, ItemElementName: 'Decimal', ReadOnly: false },
        { FieldName: 'NUMBER', Item: 10_001 },
        { FieldName: 'STATUS' },
        { FieldName: 'NOTE', IsNull: true, ItemElementName: 'Memo', Item: undefined }
      ],
      Sections: [{ OriginalFileName: 'Invoices 1.pdf', FileSize: 100 }]
    })
  })

  t.test('come in pages', async (t) => {
    t.strictSame(await pages(dw, accessToken, await list('')), [upTo(25)])
    t.strictSame((await pages(dw, accessToken, await list('count=10'))).map(({ length }) => length), [10, 10, 5])
    t.strictSame((await pages(dw, accessToken, await list('count=7&sortOrder=DWDOCID Desc'))).flat(), upTo(25).reverse())
    t.strictSame((await pages(dw, accessToken, await list('count=7&start=20'))).flat(), [21, 22, 23, 24, 25])
    t.strictSame(await pages(dw, accessToken, await list('count=25')), [upTo(25)], 'nothing more after a last full page')
    t.strictSame(await pages(dw, accessToken, await list('start=100')), [[]])
    t.match(await read(await list('count=0')), { Count: { HasMore: false, Value: 25 }, Items: [] })
    t.match(await read(await list('start=10&count=5&fields=AMOUNT,company')), { Count: { HasMore: true, Value: 25 }, Items: [{ Id: 11, Fields: [{ FieldName: 'COMPANY' }, { FieldName: 'AMOUNT' }] }], TimeStamp: /^\/Date\(\d+\)\/$/ })
    t.match(link(await read(await list('start=10&count=5&fields=AMOUNT')), 'next'), /fields=AMOUNT&start=15&count=5/)
    t.match(link(await read(await list('start=3&count=5')), 'prev'), /start=0&count=5/)
    t.strictSame(await pages(dw, accessToken, await call(dw, `/FileCabinets/${cabinetId(dw, 'Empty')}/Documents`, accessToken)), [[]])
    for (const query of ['count=10001', 'count=x', 'start=-1', 'sortOrder=AMOUNT Asc', 'sortOrder=DWDOCID Up']) t.equal((await list(query)).status, 422, query)
  })

  t.test('a hundred thousand of them are made while they are read', async (t) => {
    const from = (start: number): Promise<Response> => call(dw, `/FileCabinets/${cabinetId(dw, 'Huge')}/Documents?count=10000&fields=DWDOCID&start=${start}`, accessToken)
    t.strictSame((await pages(dw, accessToken, await from(80_000))).map((ids) => [ids.length, ids.at(0), ids.at(-1)]), [[10_000, 80_001, 90_000], [10_000, 90_001, 100_000]])
    const before = buffersInUse()
    const reader = (await from(0)).body?.getReader()
    t.ok(Number((await reader?.read())?.value?.length) < 2 ** 20, 'the first rows come before the last are made')
    t.ok(buffersInUse() - before < 10 * 2 ** 20)
    await reader?.cancel()
  })

  t.test('the next link may be a URL, or lead away', async (t) => {
    const next = async (): Promise<string | undefined> => link(await read(await list('count=5')), 'next')
    t.match(await next(), /^\/DocuWare\/Platform\/FileCabinets\//)
    dw.set({ nextLink: 'url' })
    t.match(await next(), `${dw.platformUrl}/FileCabinets/`)
    dw.set({ nextLink: 'foreign' })
    const away = await next() ?? ''
    t.match(away, `${dw.foreignUrl}/DocuWare/Platform/FileCabinets/`)
    await fetch(away)
    t.match(dw.calls().at(-1), { origin: 'foreign', path: `/DocuWare/Platform${path}`, authorization: undefined })
    dw.set({ nextLink: 'path', keyCase: 'camel' })
    t.match(await read(await list('count=1')), { count: { hasMore: true, value: 25 }, items: [{ id: 1, fields: [{ fieldName: 'DWDOCID' }] }] })
    dw.set({ keyCase: 'Pascal' })
  })

  t.test('fields are changed one by one', async (t) => {
    const put = (fields: unknown, member = 'Field'): Promise<Response> => call(dw, `${path}/2/Fields`, accessToken, putJson('PUT', { [member]: fields }))
    const before = await read(await call(dw, `${path}/2/Fields`, accessToken))
    const changed = await read(await put([
      { FieldName: 'Company', Item: 'Neu & Söhne', ItemElementName: 'String' },
      { FieldName: 'INVOICE_DATE', Item: '2025-01-31', ItemElementName: 'Date' },
      { FieldName: 'AMOUNT', Item: 5.3, ItemElementName: 'Decimal' },
      { FieldName: 'STATUS', IsNull: true }
    ]))
    const item = (fields: unknown, name: string): unknown => {
      const list = pick(fields, 'Field')
      return pick(Array.isArray(list) ? list.find((field: unknown) => pick(field, 'FieldName') === name) : undefined, 'Item')
    }
    t.strictSame(['COMPANY', 'INVOICE_DATE', 'AMOUNT', 'STATUS'].map((name) => item(changed, name)), ['Neu & Söhne', `/Date(${Date.UTC(2025, 0, 31)})/`, 5.3, undefined])
    t.equal(item(changed, 'NUMBER'), item(before, 'NUMBER'), 'others stay')
    t.not(item(changed, 'DWMODDATETIME'), item(before, 'DWMODDATETIME'))
    t.strictSame(await read(await call(dw, `${path}/2/Fields`, accessToken)), changed)
    t.equal((await put([{ fieldName: 'INVOICE_DATE', item: `/Date(${Date.UTC(2025, 1, 1)})/` }], 'field')).status, 200, 'in any letters\' case, and with DocuWare\'s own dates')
    t.equal(item(await read(await call(dw, `${path}/2/Fields`, accessToken)), 'INVOICE_DATE'), `/Date(${Date.UTC(2025, 1, 1)})/`)
    const refused = [
      [{ FieldName: 'NOPE', Item: 'x' }], [{ FieldName: 'DWDOCID', Item: 3 }], [{ FieldName: 'AMOUNT', Item: '5,30' }], [{ FieldName: 'NUMBER', Item: 1.5 }],
      [{ FieldName: 'INVOICE_DATE', Item: 'yesterday' }], [{ FieldName: 'INVOICE_DATE', Item: 5 }], [{ FieldName: 'COMPANY', Item: 5 }], ['COMPANY'], 'COMPANY', undefined
    ]
    for (const fields of refused) t.equal((await put(fields)).status, 422, JSON.stringify(fields))
  })
})

t.test('searches', async (t) => {
  const dw = await simulator(t, { fileCabinets: [{ name: 'Invoices', documents: 60 }] })
  const accessToken = await signedIn(dw)
  const path = `/FileCabinets/${cabinetId(dw)}/Query/DialogExpression`
  const search = (body: object): Promise<Response> => call(dw, `${path}?dialogId=d1`, accessToken, putJson('POST', body))
  const ids = async (...conditions: unknown[]): Promise<number[]> => (await pages(dw, accessToken, await search({ Condition: conditions, Count: 7 }))).flat()
  const where = (DBName: string, ...Value: string[]): object => ({ DBName, Value })

  const cases: Array<[string, object[], (id: number) => boolean]> = [
    ['nothing: all', [], () => true],
    ['a text', [where('COMPANY', 'big bank')], (id) => id % 6 === 2],
    ['any of several texts', [where('COMPANY', 'BIG Bank', 'Freshdirect')], (id) => id % 6 === 2 || id % 6 === 4],
    ['a pattern', [where('company', '*(x)*')], () => false],
    ['a pattern that fits', [where('COMPANY', 'home*')], (id) => id % 6 === 1],
    ['a number', [where('NUMBER', '10007')], (id) => id === 7],
    ['from one number to another', [where('AMOUNT', '10.6', '21.20')], (id) => id >= 2 && id <= 4],
    ['a date', [where('INVOICE_DATE', '2023-12-31')], (id) => id === 1],
    ['from one date to another', [where('DWSTOREDATETIME', '2024-01-01T00:05:00', '2024-01-01T00:08:00Z')], (id) => id >= 5 && id <= 8],
    ['two conditions', [where('COMPANY', 'BIG Bank'), where('DOCUMENT_TYPE', 'Invoice')], (id) => id % 6 === 2 && id % 4 === 0],
    ['a field without a value', [where('NOTE', '*')], () => false]
  ]
  for (const [name, conditions, matches] of cases) t.strictSame(await ids(...conditions), upTo(60).filter(matches), name)

  const either = await search({ Operation: 'Or', Count: 10_000, SortOrder: [{ Field: 'DWSTOREDATETIME', Direction: 'Desc' }], Condition: [where('COMPANY', 'BIG Bank'), where('DOCUMENT_TYPE', 'Invoice')] })
  t.strictSame((await pages(dw, accessToken, either)).flat(), upTo(60).filter((id) => id % 6 === 2 || id % 4 === 0).reverse())
  t.match(await read(await search({ Condition: [], Start: 58, fields: 'x' })), { Count: { Value: 60, HasMore: false }, Items: [{ Id: 59 }, { Id: 60 }] })
  t.match(link(await read(await search({ Condition: [], Count: 1 })), 'next'), /dialogId=d1&expression=/)
  const refused = [
    { Condition: [where('NOPE', '1')] }, { Condition: [where('AMOUNT', 'x')] }, { Condition: [where('AMOUNT', '1', '2', '3')] }, { Condition: [where('INVOICE_DATE', '/Date(0)/')] },
    { Condition: [{ DBName: 'AMOUNT' }] }, { Condition: 'x' }, { Count: 10_001 }, { SortOrder: [{ Field: 'AMOUNT' }] }
  ]
  for (const body of refused) t.equal((await search(body)).status, 422, JSON.stringify(body))
  t.equal((await call(dw, path, accessToken)).status, 400, 'no expression')
})

t.test('uploads', async (t) => {
  const dw = await simulator(t)
  const accessToken = await signedIn(dw)
  const path = `/FileCabinets/${cabinetId(dw, 'Contracts')}/Documents`
  const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex')
  const post = (body: RequestInit['body'], headers: { readonly [name: string]: string } = {}): Promise<Response> => call(dw, path, accessToken, { method: 'POST', body: body ?? null, headers })
  const form = (parts: { readonly [name: string]: Blob | string }, fileName = 'größe "1".txt'): FormData => {
    const data = new FormData()
    for (const [name, part] of Object.entries(parts)) {
      if (typeof part === 'string') data.append(name, part)
      else data.append(name, part, name === 'document' ? 'index.json' : fileName)
    }
    return data
  }
  const index = new Blob([JSON.stringify({ Fields: [{ FieldName: 'COMPANY', Item: 'Uploaded', ItemElementName: 'String' }] })], { type: 'application/json' })

  t.test('of a file with its fields, of a file alone, and of fields alone', async (t) => {
    const content = `\r\n--\r\nabc${'\r\n-'.repeat(50_000)}`
    const whole = await read(await post(form({ document: index, file: new Blob([content], { type: 'text/plain' }) })))
    t.match(whole, { Id: 4, ContentType: 'text/plain', FileSize: content.length, SectionCount: 1, Sections: [{ FileSize: content.length }] })
    t.match(await read(await call(dw, `${path}/4?`, accessToken)), { Id: 4, Fields: Array })
    t.match(await read(await call(dw, `/FileCabinets/${cabinetId(dw, 'Contracts')}/Query/DialogExpression`, accessToken, putJson('POST', { Condition: [{ DBName: 'COMPANY', Value: ['uploaded'] }] }))), { Items: [{ Id: 4 }] })
    t.match(await read(await post(form({ file: new Blob([]) }))), { Id: 5, FileSize: 0, SectionCount: 1 })
    t.match(await read(await post(form({ document: index }))), { Id: 6, SectionCount: 0, Sections: [], Flags: { IsDBRecord: true } })
    t.match(await read(await post('bare', { 'content-type': 'application/pdf; x=1', 'x-file-name': 'a.pdf' })), { Id: 7, Title: 'a', FileSize: 4 })
    t.match(await read(await post('bare', { 'content-disposition': "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.txt" })), { Title: 'größe' })
    t.match(await read(await post('bare', { 'content-disposition': 'attachment; filename=plain.txt' })), { Title: 'plain' })
    t.strictSame(dw.uploads().map(({ id, fileName, contentType, bytes, sha256: hash }) => [id, fileName, contentType, bytes, hash]), [
      [4, 'größe %221%22.txt', 'text/plain', content.length, sha256(content)],
      [5, 'größe %221%22.txt', 'application/octet-stream', 0, sha256('')],
      [6, null, 'application/octet-stream', 0, sha256('')],
      [7, 'a.pdf', 'application/pdf', 4, sha256('bare')],
      [8, 'größe.txt', 'text/plain', 4, sha256('bare')],
      [9, 'plain.txt', 'text/plain', 4, sha256('bare')]
    ])
    t.match(await read(await call(dw, `${path}?count=1`, accessToken)), { Count: { Value: 9 } })
    t.equal((await call(dw, `${path}/4/FileDownload`, accessToken)).status, 422, 'the file is not kept')
    t.throws(() => dw.file(cabinetId(dw, 'Contracts'), 4), { message: /keeps no uploaded files/ })
    t.throws(() => dw.file('nowhere', 1), { message: /no document 1/ })
  })

  t.test('of 100 MB pass through', async (t) => {
    const piece = Buffer.alloc(2 ** 20, 'simulator ')
    const hash = createHash('sha256')
    async function * content (): AsyncGenerator<Buffer> {
      yield Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\nContent-Type: application/x-big\r\n\r\n')
      for (let sent = 0; sent < 100; sent++) {
        hash.update(piece)
        yield piece
      }
      yield Buffer.from('\r\n--b--\r\n')
      yield Buffer.alloc(2 ** 20, 'epilogue ')
    }
    const before = buffersInUse()
    const status = await new Promise((resolve, reject) => { // fetch would keep what it has sent
      const sending = request(dw.platformUrl + path, { method: 'POST', headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'multipart/form-data; boundary=b' } }, (answer) => { resolve(answer.resume().statusCode) })
      pipeline(content, sending).catch(reject)
    })
    t.equal(status, 200)
    t.match(dw.uploads().at(-1), { fileName: 'big.bin', contentType: 'application/x-big', bytes: 100 * 2 ** 20, sha256: hash.digest('hex') })
    t.ok(buffersInUse() - before < 50 * 2 ** 20, 'and are not kept')
  })

  t.test('that are malformed', async (t) => {
    const type = { 'content-type': 'multipart/form-data; boundary="b b"' }
    const cases: Array<[string, number, string]> = [
      ['no delimiter at all', 400, 'x'],
      ['no last delimiter', 400, '--b b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx'],
      ['a delimiter that goes on', 400, '--b bx\r\n\r\n\r\n--b b--'],
      ['headers without an end', 400, `--b b\r\n${'x'.repeat(20_000)}`],
      ['index fields that are no JSON', 400, '--b b\r\nContent-Disposition: form-data; name="document"\r\n\r\nx\r\n--b b--'],
      ['index fields that are too long', 413, `--b b\r\nContent-Disposition: form-data; name=document\r\n\r\n${'x'.repeat(2 ** 20 + 1)}\r\n--b b--`],
      ['an unknown field', 422, '--b b\r\nContent-Disposition: form-data; name="document"\r\n\r\n{"Fields":[{"FieldName":"NOPE","Item":1}]}\r\n--b b--'],
      ['an early mistake in a long body', 400, `--b bx${'x'.repeat(2 ** 22)}`],
      ['nothing wrong', 200, 'preamble\r\n--b b\r\nContent-Disposition: form-data; name="file"\r\n\r\n\r\n--b b--']
    ]
    for (const [name, status, body] of cases) t.equal((await post(body, type)).status, status, name)
  })
})

t.test('downloads', async (t) => {
  const dw = await simulator(t, { fileCabinets: [{ name: 'Größe "A"', documents: 2, fileBytes: 200_000_000 }, { name: 'Small', documents: 2, fileBytes: 5 }, { name: 'Empty', documents: 1, fileBytes: 0 }] })
  const accessToken = await signedIn(dw)
  const download = (name: string, id: number): Promise<Response> => call(dw, `/FileCabinets/${cabinetId(dw, name)}/Documents/${id}/FileDownload?targetFileType=Auto&keepAnnotations=false`, accessToken)

  t.test('of 200 MB are made while they are read', async (t) => {
    const before = buffersInUse()
    const answer = await download('Größe "A"', 1)
    t.strictSame(['content-length', 'content-type', 'content-disposition'].map((name) => answer.headers.get(name)), ['200000000', 'application/pdf', 'attachment; filename="Gr__e \\"A\\" 1.pdf"; filename*=UTF-8\'\'Gr%C3%B6%C3%9Fe%20%22A%22%201.pdf'])
    const hash = createHash('sha256')
    let bytes = 0
    let most = 0
    for await (const chunk of answer.body ?? []) {
      if (Math.floor(bytes / 2 ** 25) !== Math.floor((bytes + chunk.length) / 2 ** 25)) most = Math.max(most, buffersInUse())
      hash.update(chunk)
      bytes += chunk.length
    }
    t.strictSame({ bytes, sha256: hash.digest('hex') }, dw.file(cabinetId(dw, 'Größe "A"'), 1))
    t.ok(most - before < 50 * 2 ** 20, 'and never are in memory')
  })

  t.test('differ from document to document, and may be cut short', async (t) => {
    t.equal(await (await download('Small', 1)).text(), '%PDF-')
    t.equal((await download('Small', 1)).headers.get('content-disposition'), 'attachment; filename="Small 1.pdf"')
    t.equal(await (await download('Empty', 1)).text(), '')
    t.not(dw.file(cabinetId(dw, 'Größe "A"'), 1).sha256, dw.file(cabinetId(dw, 'Größe "A"'), 2).sha256)
    dw.dropNext(1, { when: 'body', path: /FileDownload$/ })
    const cut = await download('Größe "A"', 1)
    t.equal(cut.status, 200)
    await t.rejects(cut.arrayBuffer())
    const left = await download('Größe "A"', 2)
    await left.body?.cancel()
    t.equal((await download('Small', 2)).status, 200, 'a client that goes away does no harm')
  })
})
