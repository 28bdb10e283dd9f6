import cors from '@fastify/cors'
import t from 'tap'
import type { StoredClient } from '../../lib/provider/client-schema.js'
import { clockAt } from '../app.js'
import { as, ask, authorizeApp, challenge, decide, dump, get, issuer, led, livingFamilies, owner, parametersOf, post, redirectUri, shown, type Answer } from './authorize-app.js'

type Parameters = Readonly<Record<string, string | undefined>>

const mobile: Partial<StoredClient> = { applicationType: 'mobile', confidential: false, redirectUris: ['com.example.app:/cb'] }
const implicit: Partial<StoredClient> = { ...mobile, allowImplicit: true }

/** An answer that is a page for people, and tells nobody else anything (security.md 3, 12). */
const errorPage = (status: number, code: string) => ({
  statusCode: status,
  headers: { location: undefined, 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'x-frame-options': 'DENY', 'referrer-policy': 'no-referrer', 'set-cookie': undefined },
  body: new RegExp(`<code>${code}</code>`)
})

t.test('security 1: a redirect URI is the registered string and nothing like it', async (t) => {
  const { app, addClient } = await authorizeApp(t)
  const registered = 'https://shop.example/cb'
  const client = await addClient({ redirectUris: [registered, 'https://shop.example/other?tenant=1', 'http://127.0.0.1:8000/cb'] })
  const variants = [
    'https://shop.example/cb/', 'https://shop.example/CB', 'https://SHOP.example/cb', 'HTTPS://shop.example/cb', 'https://shop.example/%63b', 'https://shop.example/cb%2e', 'https://shop.example/%2e/cb',
    'https://shop.example@evil.example/cb', 'https://evil.example@shop.example/cb', 'https://evil.example#@shop.example/cb', 'https://shop.example/cb?x=1', 'https://shop.example/cb?', 'https://shop.example/cb#', 'https://shop.example/cb#x',
    'https://shop.example:443/cb', 'https://shop.example:8443/cb', 'http://shop.example/cb', 'https://evil.shop.example/cb', 'https://shop.example.evil.example/cb', 'https://shop.example/a/../cb', 'https://shop.example/cb/..',
    'https://shop.example\\cb', 'https://shop.example\\@evil.example/cb', 'https://ѕhop.example/cb', 'https://shop.example./cb', '//shop.example/cb', '/cb', 'shop.example/cb', ' https://shop.example/cb', 'https://shop.example/cb\n',
    'javascript:alert(1)', 'data:text/html,x', 'https://shop.example/other', 'https://shop.example/other?tenant=2', 'http://127.0.0.1:8001/cb', 'http://localhost:8000/cb', `${registered},https://evil.example/cb`
  ]
  for (const variant of variants) t.match(await get(app, parametersOf(client, { redirect_uri: variant })), errorPage(400, 'DWA_OAUTH_UNREGISTERED_REDIRECT'), JSON.stringify(variant))
  const rest = parametersOf(client, { redirect_uri: undefined })
  const shapes = [
    `redirect_uri=${registered}&redirect_uri=${registered}`, `redirect_uri=${registered}&redirect_uri=https://evil.example`, 'redirect_uri[]=https://evil.example', `redirect_uri[]=${registered}`, 'redirect_uri%5B0%5D=https://evil.example',
    `redirect_uri=${registered}&redirect_uri[]=https://evil.example`, 'redirect_uri[$ne]=x', 'redirect%5Furi=https://evil.example&redirect_uri=', 'redirect_uri=%ff', 'redirect_uri=https://shop.example/cb%00', `redirect_uri=https://shop.example/${'a'.repeat(4096)}`
  ]
  for (const shape of shapes) t.match(await get(app, `${rest}&${shape}`), { ...errorPage(400, 'DWA_OAUTH_(INVALID_REQUEST|UNREGISTERED_REDIRECT)') }, shape.slice(0, 80))
  for (const good of client.fields.redirectUris) t.equal((await get(app, parametersOf(client, { redirect_uri: good }))).statusCode, 200, good)

  t.equal(led(await get(app, parametersOf(client, { redirect_uri: undefined, scope: 'x' }))).to, registered, 'the first is the default')
  t.equal(led(await get(app, parametersOf(client, { redirect_uri: '', scope: 'x' }))).to, registered, 'and for an empty one, which is none')
  t.match(await get(app, parametersOf(await addClient({ redirectUris: [] }))), errorPage(400, 'DWA_OAUTH_UNREGISTERED_REDIRECT'), 'a client without any')
})

t.test('security 1: a native app on loopback may have any port, and nothing else may differ', async (t) => {
  const { app, addClient } = await authorizeApp(t)
  const client = await addClient({ ...mobile, redirectUris: ['http://127.0.0.1/cb', 'http://[::1]:1/cb', 'com.example.app:/cb'] })
  for (const uri of ['http://127.0.0.1/cb', 'http://127.0.0.1:49152/cb', 'http://[::1]:49152/cb', 'com.example.app:/cb']) t.equal((await get(app, parametersOf(client, { redirect_uri: uri }))).statusCode, 200, uri)
  for (const uri of ['http://localhost:1/cb', 'http://127.0.0.1:1/cb/', 'http://127.0.0.1:99999/cb', 'http://127.0.0.1:1@evil.example/cb', 'http://127.0.0.2:1/cb', 'com.example.app://cb', 'com.example.app:/cb:1']) {
    t.match(await get(app, parametersOf(client, { redirect_uri: uri })), errorPage(400, 'DWA_OAUTH_UNREGISTERED_REDIRECT'), uri)
  }
  t.equal(led(await decide(app, await ask(app, parametersOf(client, { redirect_uri: 'http://127.0.0.1:49152/cb' })), 'allow')).to, 'http://127.0.0.1:49152/cb', 'the answer goes to the port that was named')
})

t.test('security 3: an unknown client gets a page, whoever asks, and nothing that was sent is in it', async (t) => {
  const { app, addClient } = await authorizeApp(t)
  const disabled = await addClient({ enabled: false })
  const good = await addClient()
  const hostile = '<script>alert(1)</script>'
  const cases: Array<[string, string]> = [
    ['', 'INVALID_REQUEST'], ['client_id=', 'INVALID_REQUEST'], [`client_id=${encodeURIComponent(hostile)}`, 'UNKNOWN_CLIENT'], ['client_id[$ne]=', 'INVALID_REQUEST'], ['client_id[$ne]=x', 'INVALID_REQUEST'], ['client_id=__proto__', 'UNKNOWN_CLIENT'],
    [parametersOf(good, { client_id: disabled.fields.clientId }), 'UNKNOWN_CLIENT'], [parametersOf(good, { client_id: good.fields.clientId.toUpperCase() }), 'UNKNOWN_CLIENT'], [`${parametersOf(good)}&client_id=${good.fields.clientId}`, 'INVALID_REQUEST'],
    [parametersOf(good, { client_id: good.id }), 'UNKNOWN_CLIENT'], ['client_id=%', 'INVALID_REQUEST'], [parametersOf(good, { client_id: 'x', prompt: 'none' }), 'UNKNOWN_CLIENT']
  ]
  for (const [query, code] of cases) {
    for (const headers of [as('ann'), {}]) {
      const answer = await get(app, `${query}&state=${encodeURIComponent(hostile)}&error_description=${encodeURIComponent(hostile)}`, headers)
      t.match(answer, errorPage(400, `DWA_OAUTH_${code}`), query)
      t.notMatch(answer.body, 'alert(1)')
    }
  }
})

t.test('security 5: nobody is redirected to a client before signing in', async (t) => {
  const { app, addClient } = await authorizeApp(t)
  const client = await addClient({ skipAuthorization: true })
  for (const others of [{}, { scope: 'unknown' }, { response_type: 'x' }, { code_challenge: undefined }, { prompt: 'login' }, { prompt: 'none consent' }] as Parameters[]) {
    const query = `${parametersOf(client, others)}&x=%2B+%20`
    const answer = await get(app, query, {})
    t.equal(answer.headers.location, `/login?next=${encodeURIComponent(`/oauth2/authorize?${query}`)}`, JSON.stringify(others))
    t.match([answer.statusCode, answer.headers['cache-control']], [303, 'no-store'])
  }
  t.strictSame(led(await get(app, parametersOf(client, { prompt: 'none', scope: 'unknown' }), {})).query, { error: 'login_required', error_description: 'Nobody is signed in', state: 's', iss: issuer }, 'unless the client asked for that')
})

t.test('security 4, 6, 7, 8, 9: other errors go to the client, with state and iss, as the table says', async (t) => {
  const { app, addClient } = await authorizeApp(t)
  const web = await addClient()
  const free = await addClient({ requirePkce: false })
  const phone = await addClient({ ...mobile, requirePkce: false })
  const implicitClient = await addClient(implicit)
  const legacy = await addClient({ applicationType: 'legacy' })
  const backend = await addClient({ applicationType: 'backend' })
  const token = { response_type: 'token', code_challenge: undefined, code_challenge_method: undefined }
  const noPkce = { code_challenge: undefined, code_challenge_method: undefined }
  const cases: Array<[what: string, client: typeof web, others: Parameters, error: string]> = [
    ['no response type', web, { response_type: undefined }, 'invalid_request'],
    ['unknown response type', web, { response_type: 'id_token' }, 'unsupported_response_type'],
    ['two response types', web, { response_type: 'code token' }, 'unsupported_response_type'],
    ['another case', web, { response_type: 'CODE' }, 'unsupported_response_type'],
    ['implicit for web', web, token, 'unauthorized_client'],
    ['security 16: implicit for mobile that is not allowed to', phone, token, 'unauthorized_client'],
    ['code for legacy', legacy, {}, 'unauthorized_client'],
    ['code for backend', backend, {}, 'unauthorized_client'],
    ['security 16: an implicit answer in the query', implicitClient, { ...token, response_mode: 'query' }, 'invalid_request'],
    ['a code in the fragment', web, { response_mode: 'fragment' }, 'invalid_request'],
    ['a form of the client\'s', web, { response_mode: 'form_post' }, 'invalid_request'],
    ['no PKCE', web, noPkce, 'invalid_request'],
    ['no PKCE, public', phone, noPkce, 'invalid_request'],
    ['plain', web, { code_challenge_method: 'plain' }, 'invalid_request'],
    ['no method, which is plain', web, { code_challenge_method: undefined }, 'invalid_request'],
    ['another case of S256', web, { code_challenge_method: 's256' }, 'invalid_request'],
    ['a method alone', free, { code_challenge: undefined }, 'invalid_request'],
    ['plain where PKCE is optional', free, { code_challenge_method: 'plain' }, 'invalid_request'],
    ['a short challenge', web, { code_challenge: challenge.slice(1) }, 'invalid_request'],
    ['a long challenge', web, { code_challenge: `${challenge}A` }, 'invalid_request'],
    ['a challenge with padding', web, { code_challenge: `${challenge.slice(1)}=` }, 'invalid_request'],
    ['a challenge in the other alphabet', web, { code_challenge: `${challenge.slice(1)}+` }, 'invalid_request'],
    ['an unknown scope', web, { scope: 'email unknown' }, 'invalid_scope'],
    ['a malformed scope', web, { scope: 'email  orders' }, 'invalid_scope'],
    ['another resource', web, { resource: 'https://other.example' }, 'invalid_target'],
    ['a request object', web, { request: 'e30.e30.' }, 'request_not_supported'],
    ['a request object elsewhere', web, { request_uri: 'https://shop.example/r' }, 'request_uri_not_supported'],
    ['prompt=none beside another', web, { prompt: 'none login' }, 'invalid_request'],
    ['prompt=none without consent', web, { prompt: 'none' }, 'consent_required'],
    ['a parameter that is too long', web, { nonce: 'x'.repeat(4097) }, 'invalid_request']
  ]
  for (const [what, client, others, error] of cases) {
    const answer = await get(app, parametersOf(client, others))
    const { to, query, fragment } = led(answer)
    const [parameters, empty] = others['response_type'] === 'token' ? [fragment, query] : [query, fragment]
    t.match(parameters, { error, state: 's', iss: issuer, error_description: /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/ }, what)
    t.strictSame([to, empty, Object.keys(parameters).length], [client.fields.redirectUris[0], {}, 4], what)
    t.match(answer.headers, { 'cache-control': 'no-store' })
  }
  const repeated: Array<[string, Record<string, string>]> = [['scope=email&scope=orders', { state: 's' }], ['state=t', {}], ['nonce=a&nonce=a', { state: 's' }], ['response_type=code', { state: 's' }], ['resource=https://api.example&resource=https://api.example', { state: 's' }], ['prompt=none&prompt=none', { state: 's' }], ['x=%ff', { state: 's' }], ['%ff=x', { state: 's' }]]
  for (const [more, state] of repeated) {
    const { query } = led(await get(app, `${parametersOf(web)}&${more}`))
    t.match(query, { error: 'invalid_request', iss: issuer }, more)
    t.equal(query['state'], state['state'], `${more}: a state that is not one is not told`)
  }
  t.equal((await get(app, `${parametersOf(web, { scope: '', resource: '', prompt: '', request: '', response_mode: '' })}&unknown=1&another[]=2`)).statusCode, 200, 'empty is omitted, and what is unknown does not matter')
  t.equal((await get(app, parametersOf(free, noPkce))).statusCode, 200, 'PKCE is optional where a confidential client says so')
  t.equal((await get(app, parametersOf(implicitClient, { ...token, code_challenge: 'x' }))).statusCode, 200, 'and nothing to the implicit grant')
  t.equal((await get(app, parametersOf(web, { response_mode: 'query', resource: 'https://api.example' }))).statusCode, 200)
})

t.test('security 6, 7, 10: state comes back byte by byte, iss beside it, by 303, and the query of the redirect URI stays', async (t) => {
  const { app, addClient } = await authorizeApp(t)
  const states = [JSON.stringify({ next: '/a?b=c&d=e#f', note: 'é 😀 "quoted" \'single\' \\ % + %20 <b>', pad: 'x'.repeat(1900) }), ' leading and trailing ', '%', '+', 'a=b&c=d', '&error=x', '{{7*7}}', '\r\nSet-Cookie: x=y']
  const uris = ['https://shop.example/cb', 'https://shop.example/cb?tenant=1', 'https://shop.example/cb?', 'https://shop.example/cb?a=%20b+c&', 'com.example.app:/cb?x']
  for (const uri of uris) {
    const client = await addClient({ applicationType: 'mobile', redirectUris: [uri], skipAuthorization: true, allowImplicit: true })
    for (const state of states) {
      const [good, refused, fragment] = await Promise.all([{}, { scope: 'x' }, { response_type: 'token' }].map(async (others) => await get(app, parametersOf(client, { state, ...others }))))
      for (const [answer, separator] of [[good, /[?&]$/.test(uri) ? '' : uri.includes('?') ? '&' : '?'], [refused, /[?&]$/.test(uri) ? '' : uri.includes('?') ? '&' : '?'], [fragment, '#']] as const) {
        const location = String(answer?.headers.location)
        t.equal(answer?.statusCode, 303)
        t.ok(location.startsWith(uri + separator) && location.endsWith(`&state=${encodeURIComponent(state)}&iss=${encodeURIComponent(issuer)}`), `${uri} ${location.slice(0, 80)}`)
        t.match(location, /^[\x21-\x7e]+$/)
        t.equal(new URLSearchParams(location.slice((uri + separator).length)).get('state'), state)
      }
    }
  }
  const client = await addClient({ skipAuthorization: true })
  t.strictSame(Object.keys(led(await get(app, parametersOf(client, { state: undefined }))).query), ['code', 'iss'], 'without a state there is none')
})

t.test('a code has what was asked for, bound to the person, the client and the challenge', async (t) => {
  const { app, uri, addClient, families } = await authorizeApp(t)
  const client = await addClient({ lifetimes: { code: 30 } })
  const cases: Array<[Parameters, scopes: string[], Record<string, unknown>]> = [
    [{}, ['email', 'orders'], { redirectUri, challenge }],
    [{ scope: 'orders' }, ['orders'], { redirectUri, challenge }],
    [{ scope: 'orders email orders', redirect_uri: undefined }, ['orders', 'email'], { redirectUri: null, challenge }],
    [{ resource: 'https://api.example' }, ['email', 'orders'], { redirectUri, challenge }]
  ]
  for (const [others, scopes, code] of cases) {
    const { to, query } = led(await decide(app, await ask(app, parametersOf(client, { ...others, prompt: 'consent' })), 'allow'))
    t.equal(to, redirectUri)
    t.strictSame(Object.keys(query), ['code', 'state', 'iss'])
    const family = await families.findCode(query['code'] ?? '')
    t.strictSame([family?.scopes, family?.access], [scopes, []])
    t.match(family, { client: client.id, user: 'ann', grant: 'authorization_code', ...('resource' in others ? { resource: others['resource'] } : {}) })
    t.match(family?.code, code)
    t.equal((family?.code?.expiresAt.getTime() ?? 0) - (family?.createdAt.getTime() ?? 0), 30_000)
    t.notOk((await dump(uri)).includes(query['code'] ?? 'none'), 'and is not in the database')
  }
})

t.test('security 16: the implicit grant answers in the fragment, without a refresh token', async (t) => {
  const { app, addClient, families } = await authorizeApp(t)
  for (const tokenType of ['random', 'jwt'] as const) {
    const client = await addClient({ ...implicit, tokenType, lifetimes: { accessToken: 300 } })
    const query = parametersOf(client, { response_type: 'token', code_challenge: undefined, code_challenge_method: undefined, resource: 'https://api.example' })
    const page = await ask(app, query)
    t.match(page.page.body, 'The access lasts for 5 minutes.')
    const answer = await decide(app, page, 'allow', { scopes: ['orders'] })
    const { to, query: none, fragment } = led(answer)
    t.strictSame([to, none], ['com.example.app:/cb', {}])
    t.match(fragment, { access_token: tokenType === 'jwt' ? /^minted\.orders\.https:\/\/api\.example\./ : /^dwa_a_/, token_type: 'Bearer', expires_in: '300', scope: 'orders', state: 's', iss: issuer })
    t.strictSame(Object.keys(fragment), ['access_token', 'token_type', 'expires_in', 'scope', 'state', 'iss'])
    t.match(answer.headers, { 'cache-control': 'no-store' })
    if (tokenType === 'random') {
      const family = (await families.findAccessToken(fragment['access_token'] ?? ''))?.family
      t.match(family, { grant: 'implicit', user: 'ann', resource: 'https://api.example' })
      t.strictSame(family?.scopes, ['orders'])
    }
    t.strictSame(led(await decide(app, await ask(app, `${query}&prompt=consent`), 'deny')).fragment, { error: 'access_denied', error_description: 'The request was denied', state: 's', iss: issuer })
  }
})

t.test('security 13: a decision is taken once, of that person in that browser, and nothing but the decision is taken from the form', async (t) => {
  let now = Date.now()
  const { app, uri, addClient, families } = await authorizeApp(t, { clock: clockAt(() => now) })
  const client = await addClient({ redirectUris: [redirectUri, 'https://shop.example/second'] })
  const query = parametersOf(client, { scope: 'email', prompt: 'consent' })
  const other = await ask(app, query)
  const with_ = (form: URLSearchParams, change: Parameters): URLSearchParams => {
    const changed = new URLSearchParams(form)
    for (const [name, value] of Object.entries(change)) if (value === undefined) changed.delete(name); else changed.set(name, value)
    return changed
  }
  const shownPage = await ask(app, query)
  const { form, cookie } = shownPage
  t.match(shownPage.page.headers['set-cookie'], /^__Host-dwa_consent=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  t.strictSame([...form.keys()], ['interaction', 'csrf', 'scope'])
  const refusals: Array<[what: string, form: URLSearchParams | string, headers: Record<string, string>]> = [
    ['no cookie', with_(form, { decision: 'allow' }), as('ann')],
    ['the cookie of another browser', with_(form, { decision: 'allow' }), as('ann', { cookie: other.cookie })],
    ['two cookies', with_(form, { decision: 'allow' }), as('ann', { cookie: `${cookie}; ${other.cookie}` })],
    ['another person', with_(form, { decision: 'allow' }), as('bob', { cookie })],
    ['nobody', with_(form, { decision: 'allow' }), { cookie }],
    ['no token', with_(form, { decision: 'allow', csrf: undefined }), as('ann', { cookie })],
    ['the token of another page', with_(form, { decision: 'allow', csrf: other.form.get('csrf') ?? '' }), as('ann', { cookie })],
    ['an unknown interaction', with_(form, { decision: 'allow', interaction: 'x' }), as('ann', { cookie })],
    ['no interaction', with_(form, { decision: 'allow', interaction: undefined }), as('ann', { cookie })],
    ['operators', 'interaction[$ne]=x&csrf[$ne]=x&decision=allow&scope=email', as('ann', { cookie })],
    ['two tokens', `${with_(form, { decision: 'allow' }).toString()}&csrf=x`, as('ann', { cookie })],
    ['no decision', form, as('ann', { cookie })],
    ['another decision', with_(form, { decision: 'yes' }), as('ann', { cookie })],
    ['two decisions', `${form.toString()}&decision=deny&decision=allow`, as('ann', { cookie })],
    ['a malformed scope', `${with_(form, { decision: 'allow' }).toString()}&scope=%ff`, as('ann', { cookie })],
    ['nothing', '', as('ann', { cookie })],
    ['another token, and no origin to speak of', with_(form, { decision: 'allow', csrf: 'x' }), as('ann', { cookie, origin: 'null' })]
  ]
  for (const [what, body, headers] of refusals) t.match(await post(app, body, headers), errorPage(400, 'DWA_OAUTH_INVALID_(INTERACTION|REQUEST)'), what)
  for (const [what, headers] of [['another site', { 'sec-fetch-site': 'cross-site' }], ['another origin', { origin: 'https://evil.example' }], ['another origin of the same site', { origin: 'https://blog.id.example', 'sec-fetch-site': 'same-site' }], ['the same, without a referrer', { origin: 'null', 'sec-fetch-site': 'same-site' }], ['another origin that calls itself this one', { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' }], ['its own, once over http', { origin: 'http://id.example' }]] as const) {
    t.match(await post(app, with_(form, { decision: 'allow' }), as('ann', { cookie, ...headers })), errorPage(403, 'DWA_CROSS_SITE'), what)
  }
  t.strictSame(await livingFamilies(uri, 'ann'), [], 'nobody got anything')

  const extra = { decision: 'allow', scope: 'email', redirect_uri: 'https://shop.example/second', client_id: 'x', response_type: 'token', state: 'forged', code_challenge: 'x', resource: 'https://api.example', user: 'bob' }
  const answers = await Promise.all(Array.from({ length: 8 }, async () => await post(app, `${with_(form, extra).toString()}&scope=orders&scope=admin`, as('ann', { cookie, origin: issuer, 'sec-fetch-site': 'same-origin' }))))
  const [good, ...more] = answers.filter(({ statusCode }) => statusCode === 303)
  t.strictSame(more, [], 'of eight at once, one')
  const { to, query: told } = led(good as Answer)
  t.match([to, told['state']], [redirectUri, 's'])
  const granted = await families.findCode(told['code'] ?? '')
  t.match(granted, { client: client.id, user: 'ann', code: { challenge } })
  t.strictSame(granted?.scopes, ['email'], 'what else the form said had no effect')
  t.match(await post(app, with_(form, { decision: 'allow' }), as('ann', { cookie })), errorPage(400, 'DWA_OAUTH_INVALID_INTERACTION'), 'used')

  now += 599_000
  t.equal((await decide(app, other, 'allow')).statusCode, 303, 'ten minutes are enough')
  const late = await ask(app, query)
  now += 600_000
  t.match(await decide(app, late, 'allow'), errorPage(400, 'DWA_OAUTH_INVALID_INTERACTION'), 'and no more')
})

t.test('security 13: two pages of one browser do not get in each other\'s way', async (t) => {
  const { app, addClient } = await authorizeApp(t)
  const [one, another] = [await addClient(), await addClient({ redirectUris: ['https://other.example/cb'] })]
  const first = await ask(app, parametersOf(one))
  const second = await ask(app, parametersOf(another), 'ann', first.cookie)
  t.equal(second.page.headers['set-cookie'], undefined, 'the cookie stays')
  for (const tossed of ['x', '']) t.match((await get(app, parametersOf(one), as('ann', { cookie: `__Host-dwa_consent=${tossed}` }))).headers['set-cookie'], /^__Host-dwa_consent=[\w-]{43};/, 'one that is not ours is replaced')
  t.equal(led(await decide(app, second, 'allow')).to, 'https://other.example/cb')
  t.equal(led(await decide(app, first, 'allow')).to, redirectUri)
})

t.test('without https the cookie is an ordinary one', async (t) => {
  const { app, addClient } = await authorizeApp(t, { baseUrl: 'http://127.0.0.1:3000/oauth2' })
  const page = await ask(app, parametersOf(await addClient()))
  t.match(page.page.headers['set-cookie'], /^dwa_consent=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
  t.equal((await decide(app, page, 'allow')).statusCode, 303)
})

t.test('security 13: neither cookie nor token of a page can be read from the database or the log, and no code or state from the log', async (t) => {
  const { app, uri, lines, addClient } = await authorizeApp(t)
  const client = await addClient()
  const state = 'a-state-that-nobody-should-read'
  const page = await ask(app, parametersOf(client, { state }))
  const during = await dump(uri)
  const { code = '' } = led(await decide(app, page, 'allow')).query
  await get(app, parametersOf(client, { state, scope: 'x' }), {})
  const secrets = [page.cookie.split('=')[1] ?? '', page.form.get('csrf') ?? '', page.form.get('interaction') ?? '', code]
  for (const secret of secrets) {
    t.ok(secret.length >= 43)
    t.notOk([during, await dump(uri), ...lines].some((text) => text.includes(secret)))
  }
  t.notOk(lines.some((line) => line.includes(state)), 'security 52')
  t.ok(lines.some((line) => line.includes('"url":"/oauth2/authorize"')))
})

t.test('what has changed between page and answer ends it with a page', async (t) => {
  const changes: Array<[what: string, fields: Partial<StoredClient>, code: string]> = [
    ['the client is disabled', { enabled: false }, 'UNKNOWN_CLIENT'],
    ['the redirect URI is gone', { redirectUris: ['https://shop.example/new'] }, 'UNREGISTERED_REDIRECT'],
    ['a scope is gone', { scopes: ['email'] }, 'INVALID_INTERACTION'],
    ['the client may not do this any more', { applicationType: 'legacy' }, 'INVALID_INTERACTION']
  ]
  const { app, uri, addClient, changeClient, removeClient } = await authorizeApp(t)
  for (const [what, fields, code] of changes) {
    const client = await addClient()
    const page = await ask(app, parametersOf(client))
    await changeClient(client, fields)
    t.match(await decide(app, page, 'allow'), errorPage(400, `DWA_OAUTH_${code}`), what)
  }
  const moved = await addClient()
  const page = await ask(app, parametersOf(moved, { redirect_uri: undefined }))
  await changeClient(moved, { redirectUris: ['https://shop.example/new', redirectUri] })
  t.match(await decide(app, page, 'allow'), errorPage(400, 'DWA_OAUTH_INVALID_INTERACTION'), 'the default is another')
  const gone = await addClient()
  const last = await ask(app, parametersOf(gone))
  await removeClient(gone)
  t.match(await decide(app, last, 'allow'), errorPage(400, 'DWA_OAUTH_UNKNOWN_CLIENT'), 'the client is gone')
  t.strictSame(await livingFamilies(uri, 'ann'), [])

  const more = await addClient({ scopes: ['email'] })
  const asked = await ask(app, parametersOf(more))
  await changeClient(more, { scopes: ['email', 'orders'] })
  await decide(app, asked, 'allow', { scopes: ['email', 'orders'] })
  t.strictSame((await livingFamilies(uri, 'ann')).map(({ scopes }) => scopes as unknown), [['email']], 'what the page did not show is not granted')
})

t.test('security 8, 11, 17: only forms are read, nothing is answered to other sites\' scripts, and a HEAD or a PUT begins nothing', async (t) => {
  const { app, uri, addClient } = await authorizeApp(t, { before: async (app) => { await app.register(cors, { origin: true, credentials: true }) } })
  const client = await addClient({ skipAuthorization: true })
  for (const query of [parametersOf(client), parametersOf(client, { prompt: 'consent' }), 'client_id=x']) {
    const { headers } = await get(app, query, as('ann', { origin: 'https://evil.example' }))
    t.strictSame(Object.keys(headers).filter((name) => name.startsWith('access-control')), [])
  }
  const plain = await authorizeApp(t)
  const preflight = as('ann', { origin: 'https://evil.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' })
  for (const [what, one] of [['an app without CORS', plain.app], ['an app with it', app]] as const) {
    for (const url of [`/oauth2/authorize?${parametersOf(client)}`, '/oauth2/consents', '/oauth2/consents/x/revoke']) {
      for (const headers of [preflight, as('ann')]) {
        const answer = await one.inject({ method: 'OPTIONS', url, headers })
        if (one === plain.app) t.match(answer, { statusCode: 405, headers: { allow: /GET|POST/ } }, url)
        t.notOk('location' in answer.headers)
        t.strictSame(Object.keys(answer.headers).filter((name) => name.startsWith('access-control')), [], what)
      }
    }
  }
  const before = (await livingFamilies(uri, 'ann')).length
  for (const method of ['HEAD', 'PUT', 'DELETE'] as const) t.equal((await app.inject({ method, url: `/oauth2/authorize?${parametersOf(client)}`, headers: as('ann') })).statusCode, 404, method)
  t.equal((await livingFamilies(uri, 'ann')).length, before)
  const { form, cookie } = await ask(app, parametersOf(client, { prompt: 'consent' }))
  form.set('decision', 'allow')
  for (const [type, payload] of [['application/json', JSON.stringify(Object.fromEntries(form))], ['text/plain', form.toString()], ['multipart/form-data; boundary=x', form.toString()]] as const) {
    t.match(await app.inject({ method: 'POST', url: '/oauth2/authorize', headers: as('ann', { cookie, 'content-type': type }), payload }), { statusCode: 415, headers: { 'content-type': 'text/html; charset=utf-8' } }, type)
  }
  t.match(await post(app, `${form.toString()}&x=${'x'.repeat(16_384)}`, as('ann', { cookie })), { statusCode: 413, headers: { 'cache-control': 'no-store' } })
  t.equal((await post(app, form, as('ann', { cookie }))).statusCode, 303)
})

t.test('security 31: 60 requests a minute from one address, or as many as the option says', async (t) => {
  const { app, addClient } = await authorizeApp(t, { requestsPerMinute: 3 })
  const query = parametersOf(await addClient())
  for (let request = 1; request <= 3; request++) t.equal((await get(app, query)).statusCode, 200)
  const refused = await get(app, query)
  t.match(refused, { statusCode: 429, headers: { 'retry-after': /^\d+$/, 'content-type': 'text/html; charset=utf-8' }, body: 'Too many requests' })
  t.equal((await app.inject({ url: '/oauth2/consents', headers: as('ann') })).statusCode, 429, 'the pages are counted together')
  t.equal((await post(app, '', as('ann'))).statusCode, 429)
  t.equal((await app.inject({ url: `/oauth2/authorize?${query}`, headers: as('ann'), remoteAddress: '10.0.0.1' })).statusCode, 200, 'another address')
  const from = async (url: string, remoteAddress: string): Promise<number> => (await app.inject({ url, headers: as('ann'), remoteAddress })).statusCode
  t.strictSame(await Promise.all(['2001:db8:1:2::1', '2001:db8:1:2::2', '2001:db8:1:2:3::4'].map(async (address) => await from('/oauth2/consents', address))), [200, 200, 200])
  t.strictSame([await from(`/oauth2/authorize?${query}`, '2001:db8:1:2::5'), await from('/oauth2/consents', '2001:db8:1:3::5')], [429, 200], 'of one IPv6 network')
})

t.test('what the app gets wrong is a page without a word of it, and told to the log and telemetry', async (t) => {
  const captured: unknown[] = []
  let wrong: 'current' | 'loginUrl' | 'nowhere' | 'nobody' | null = null
  const { app, lines, addClient } = await authorizeApp(t, {
    before: (app) => { app.decorate('telemetry', { version: async () => 0, get: async () => { throw new Error() }, set: async () => { throw new Error() }, capture: (error) => { captured.push(error) } }) },
    owner: {
      current (request) {
        if (wrong === 'current') throw new Error('a secret of the app')
        return wrong === 'nobody' ? { name: 'without an id' } : owner.current(request)
      },
      loginUrl (request, returnTo) {
        if (wrong === 'loginUrl') throw new Error('a secret of the app')
        return wrong === 'nowhere' ? Reflect.get({}, 'nowhere') as string : owner.loginUrl(request, returnTo)
      }
    }
  })
  const query = parametersOf(await addClient())
  for (const [mistake, headers] of [['current', as('ann')], ['loginUrl', {}], ['nowhere', {}], ['nobody', as('ann')]] as const) {
    wrong = mistake
    const answer = await get(app, query, headers)
    t.match(answer, errorPage(500, 'DWA_PROVIDER_OWNER_FAILED'), mistake)
    t.notMatch(answer.body, 'a secret of the app')
  }
  t.equal(captured.length, 4)
  t.match(captured[0], { code: 'DWA_PROVIDER_OWNER_FAILED', cause: { message: 'a secret of the app' } })
  t.equal(lines.filter((line) => line.includes('a page of the provider failed')).length, 4)
  wrong = null
  t.equal((await get(app, query)).statusCode, 200)
  t.ok(shown(await get(app, query)).form.has('csrf'))
})

t.test('with the database away there is a page that says to come back', async (t) => {
  const { app, addClient } = await authorizeApp(t)
  const client = await addClient()
  const { connection } = app.store
  await connection.close()
  t.match(await get(app, parametersOf(client)), { statusCode: 503, headers: { location: undefined, 'content-type': 'text/html; charset=utf-8' }, body: 'DWA_STORE_UNAVAILABLE' })
})
