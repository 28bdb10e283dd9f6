import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { startProxy } from '../mongo-proxy.js'
import { startTestMongo } from '../mongo.js'
import { eventually } from '../store-app.js'
import { compiled } from '../workers/compiled.js'
import { basic, challenge, codeFor, makeClient, people, post, providerApp, redeem, refresh, verifier, type Answer, type MadeClient } from './provider-app.js'

const script = await compiled(t, './provider-worker.ts')

/** A provider in another process. */
interface Process { readonly child: ChildProcess, readonly url: string }

async function startProcess (t: Test, uri: string, aheadMs = 0): Promise<Process> {
  const child = fork(script, [uri, String(aheadMs)], { execArgv: [], env: { ...process.env, NODE_OPTIONS: '' } })
  t.teardown(() => { child.kill('SIGKILL') })
  const [{ url }] = await once(child, 'message') as [{ url: string }]
  return { child, url: `${url}/oauth2` }
}

/** A form to another process. */
async function send ({ url }: Process, form: Record<string, string>, { clientId, secret }: MadeClient): Promise<Answer> {
  const response = await fetch(`${url}/token`, {
    method: 'POST',
    body: new URLSearchParams(form),
    ...(secret === null ? {} : { headers: { authorization: basic(clientId, secret) } })
  })
  return { status: response.status, body: await response.json() as Record<string, unknown>, headers: Object.fromEntries(response.headers) }
}

const many = <T>(count: number, run: () => Promise<T>): Array<Promise<T>> => Array.from({ length: count }, run)

t.test('26: 50 parallel refreshes in each of 4 processes have one successor; 23: as many redemptions one success', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await providerApp(t, { uri })
  const shop = await makeClient(app)
  const processes = await Promise.all(many(4, async () => await startProcess(t, uri)))
  const { body } = await redeem(app, shop, await codeFor(app, shop))
  const refreshed = await Promise.all(processes.flatMap((one) => many(50, async () => await send(one, { grant_type: 'refresh_token', refresh_token: String(body['refresh_token']) }, shop))))
  t.same(new Set(refreshed.map(({ status }) => status)), new Set([200]))
  t.equal(new Set(refreshed.map(({ body }) => JSON.stringify(body))).size, 1, 'all have the same answer')
  t.equal((await refresh(app, shop, refreshed[0]?.body['refresh_token'])).status, 200, 'and it works')

  const code = await codeFor(app, shop)
  const redeemed = await Promise.all(processes.flatMap((one) => many(50, async () => await send(one, { grant_type: 'authorization_code', code, code_verifier: verifier }, shop))))
  const good = redeemed.filter(({ status }) => status === 200)
  t.equal(good.length, 1)
  t.ok(redeemed.every(({ status, body }) => status === 200 || body['error'] === 'invalid_grant'))
  t.match((await post(app, '/introspect', { token: String(good[0]?.body['access_token']) }, shop)).body, { active: true }, 'and its tokens live')
})

t.test('processes whose clocks are 5 minutes apart agree about what is good', async (t) => {
  const { uri } = await startTestMongo(t)
  const app = await providerApp(t, { uri })
  const shop = await makeClient(app)
  const [early, late] = await Promise.all([startProcess(t, uri, -300_000), startProcess(t, uri, 300_000)])
  for (const one of [early, late]) {
    const redeemed = await send(one, { grant_type: 'authorization_code', code: await codeFor(app, shop), code_verifier: verifier }, shop)
    t.equal(redeemed.status, 200, 'a code that another issued')
    t.match((await post(app, '/introspect', { token: String(redeemed.body['access_token']) }, shop)).body, { active: true }, 'an access token that another issued')
    const refreshed = await refresh(app, shop, redeemed.body['refresh_token'])
    t.equal(refreshed.status, 200, 'a refresh token that another issued')
    for (const other of [early, late]) t.same((await send(other, { grant_type: 'refresh_token', refresh_token: String(redeemed.body['refresh_token']) }, shop)).body, refreshed.body, 'the grace that another gave')
  }
})

interface Kill {
  /** The MongoDB command that writes the grant. */
  readonly command: 'insert' | 'update'
  readonly client: Parameters<typeof makeClient>[1]
  readonly form: (app: Parameters<typeof codeFor>[0], made: MadeClient) => Promise<Record<string, string>>
  /** What becomes of the same request when the write was done and its answer lost. */
  readonly afterwards: 'again' | 'repeated' | 'used'
}

const kills: Record<string, Kill> = {
  authorization_code: { command: 'update', client: {}, form: async (app, made) => ({ grant_type: 'authorization_code', code: await codeFor(app, made), code_verifier: verifier }), afterwards: 'used' },
  refresh_token: {
    command: 'update',
    client: {},
    form: async (app, made) => ({ grant_type: 'refresh_token', refresh_token: String((await redeem(app, made, await codeFor(app, made))).body['refresh_token']) }),
    afterwards: 'repeated'
  },
  client_credentials: { command: 'insert', client: { applicationType: 'backend' }, form: async () => ({ grant_type: 'client_credentials' }), afterwards: 'again' },
  password: { command: 'insert', client: { applicationType: 'legacy', allowPassword: true }, form: async () => ({ grant_type: 'password', username: 'ann', password: people[0]?.password ?? '' }), afterwards: 'again' }
}

t.test('kill -9 around the write of a grant: nothing happened, or it is recorded whole', async (t) => {
  const cases = Object.entries(kills).flatMap(([name, kill]) => [false, true].map((written) => ({ name: `${name}, ${written ? 'after' : 'before'} the write`, kill, written })))
  await Promise.all(cases.map(async ({ name, kill: { command, client, form, afterwards }, written }) => {
    const { uri } = await startTestMongo(t)
    const app = await providerApp(t, { uri })
    const made = await makeClient(app, client)
    const request = await form(app, made)
    const families = app.store.connection.collection('dwa_token_families')
    const delivered = async (): Promise<boolean> => await families.countDocuments({ 'outbox.at': { $exists: true } }) === 0
    await eventually('nothing waits for the log', delivered)
    const proxy = await startProxy(t, uri)
    const victim = await startProcess(t, proxy.uri)
    const hold = proxy.hold(command)
    const lost = send(victim, request, made).then(() => 'answered', () => 'lost')
    await hold.waiting(1)
    const exited = once(victim.child, 'exit')
    victim.child.kill('SIGKILL')
    await exited
    t.equal(await lost, 'lost', name)
    if (written) await hold.release()
    const before = await families.countDocuments({})

    const again = await post(app, '/token', request, made)
    if (written && afterwards === 'used') {
      t.match(again, { status: 400, body: { error: 'invalid_grant' } }, `${name}: the code is used`)
      t.equal((await redeem(app, made, await codeFor(app, made))).status, 200, `${name}: the client begins again, and nobody is asked`)
    } else {
      t.equal(again.status, 200, `${name}: the same request succeeds elsewhere`)
      t.match((await post(app, '/introspect', { token: String(again.body['access_token']) }, made)).body, { active: true }, name)
    }
    if (afterwards === 'repeated') t.equal((await families.findOne({}))?.['refresh']?.['generation'], 2, `${name}: it was rotated once`)
    if (afterwards === 'again') t.equal(before, written ? 1 : 0, `${name}: what was recorded is recorded whole`)
    await eventually(`${name}: every entry is in the log, those of the dead process too`, delivered)
    const events = (await app.auditLog.find({ limit: 1000 })).map(({ event }) => event)
    const recorded = { authorization_code: 'code.redeemed', refresh_token: 'token.refreshed', client_credentials: 'token.issued', password: 'token.issued' }[request['grant_type'] ?? '']
    const expected = afterwards === 'again' && written ? 2 : afterwards === 'used' && written ? 2 : 1
    t.equal(events.filter((event) => event === recorded).length, expected, `${name}: once each`)
  }))
})

t.test('kill -9 around GET /authorize: nothing happened, or it is recorded whole, and with a remembered consent nobody is asked again', async (t) => {
  const cases = (['code', 'token'] as const).flatMap((responseType) => [false, true].map((written) => ({ responseType, written, name: `${responseType}, ${written ? 'after' : 'before'} the write` })))
  await Promise.all(cases.map(async ({ responseType, written, name }) => {
    const { uri } = await startTestMongo(t)
    const app = await providerApp(t, { uri })
    const made = await makeClient(app, { skipAuthorization: false, applicationType: 'mobile', allowImplicit: true })
    const path = `/oauth2/authorize?${new URLSearchParams({ response_type: responseType, client_id: made.clientId, state: 's', ...(responseType === 'code' ? { code_challenge: challenge, code_challenge_method: 'S256' } : {}) }).toString()}`
    const headers = { 'x-user': 'ann' }
    const page = await app.inject({ url: path, headers })
    const form = new URLSearchParams([...page.body.matchAll(/<input type="(?:hidden|checkbox)" name="([^"]*)" value="([^"]*)"/g)].map(([, field = '', value = '']): [string, string] => [field, value]))
    form.set('decision', 'allow')
    const decided = await app.inject({ method: 'POST', url: '/oauth2/authorize', headers: { ...headers, cookie: String(page.headers['set-cookie']).split(';', 1).join(), 'content-type': 'application/x-www-form-urlencoded' }, payload: form.toString() })
    t.equal(decided.statusCode, 303, name)
    const families = app.store.connection.collection('dwa_token_families')
    const delivered = async (): Promise<boolean> => await families.countDocuments({ 'outbox.at': { $exists: true } }) === 0
    await eventually('nothing waits for the log', delivered)

    const proxy = await startProxy(t, uri)
    const victim = await startProcess(t, proxy.uri)
    const hold = proxy.hold('insert')
    const lost = fetch(new URL(path, victim.url), { headers, redirect: 'manual' }).then(() => 'answered', () => 'lost')
    await hold.waiting(1)
    const exited = once(victim.child, 'exit')
    victim.child.kill('SIGKILL')
    await exited
    t.equal(await lost, 'lost', name)
    if (written) await hold.release()
    t.equal(await families.countDocuments({}), written ? 2 : 1, `${name}: what was recorded is recorded whole`)

    const again = await app.inject({ url: path, headers })
    const { searchParams, hash } = new URL(String(again.headers.location))
    t.equal(again.statusCode, 303, `${name}: nobody is asked`)
    if (responseType === 'code') t.equal((await redeem(app, made, searchParams.get('code') ?? '')).status, 200, name)
    else t.equal((await app.inject({ url: '/oauth2/tokeninfo', headers: { authorization: `Bearer ${new URLSearchParams(hash.slice(1)).get('access_token') ?? ''}` } })).statusCode, 200, name)
    await eventually(`${name}: every entry is in the log, those of the dead process too`, delivered)
    t.equal((await app.auditLog.find({ event: responseType === 'code' ? 'code.issued' : 'token.issued' })).length, written ? 3 : 2, `${name}: once each`)
    t.equal((await app.auditLog.find({ event: 'consent.granted' })).length, 1, name)
  }))
})
