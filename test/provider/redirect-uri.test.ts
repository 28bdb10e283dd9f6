import t from 'tap'
import { findRedirectUriProblem, isRegisteredRedirectUri } from '../../lib/provider/redirect-uri.js'

const web = { native: false, allowHttp: false }
const native = { native: true, allowHttp: false }

t.test('security 2: a redirect URI that could carry a code elsewhere is not registered', async (t) => {
  const refused = [
    'https://app.example/cb#', 'https://app.example/cb#x', 'http://app.example/cb', 'ftp://app.example/cb', 'javascript:alert(1)', 'data:text/html,x', 'vbscript:x', 'com.example.app:/cb',
    'https://user@app.example/cb', 'https://user:pw@app.example/cb', 'https://*.app.example/cb', 'https://app.example/cb?code=1', 'https://app.example/cb?x=1&state=2', 'https://app.example/cb?iss=x',
    '/cb', 'app.example/cb', '//app.example/cb', '', 'https:app.example/cb', 'https:/app.example/cb', 'https://', 'HTTPS://app.example/cb', 'https://App.Example/cb', 'https://app.example:443/cb',
    'https://app.example/\\evil', 'https://app.example/c b', 'https://äpp.example/cb', 'https://app.example/cb\n', `https://app.example/${'x'.repeat(2000)}`, 'https://app.example/"', 'about:blank', 'file:///etc/passwd', 'blob:https://app.example/x'
  ]
  for (const uri of refused) t.type(findRedirectUriProblem(uri, web), 'string', uri.slice(0, 80))
  for (const uri of ['com.example.app:/cb', 'com.example.app://cb']) t.equal(findRedirectUriProblem(uri, native), null, uri)
  for (const uri of ['myapp:/cb', 'javascript.:x', 'javascript:x', 'http://app.example/cb', 'com.example.app:/cb#x']) t.type(findRedirectUriProblem(uri, native), 'string', uri)
  for (const uri of ['https://app.example', 'https://app.example/', 'https://app.example/cb', 'https://app.example:8443/cb?tenant=1', 'http://127.0.0.1/cb', 'http://127.0.0.1:3000/cb', 'http://[::1]:3000/cb', 'http://localhost/cb', 'https://xn--pp-wia.example/cb']) t.equal(findRedirectUriProblem(uri, web), null, uri)
  t.equal(findRedirectUriProblem('http://intranet/cb', { native: false, allowHttp: true }), null)
})

t.test('security 1: a redirect URI is compared as a string; only a native app\'s port on loopback may differ', async (t) => {
  const registered = ['https://app.example/cb', 'https://app.example/other?tenant=1', 'http://127.0.0.1:3000/cb', 'http://[::1]/cb', 'http://localhost/cb']
  const others = [
    'https://app.example/cb/', 'https://app.example/CB', 'https://APP.example/cb', 'https://app.example/%63b', 'https://app.example/cb%2f', 'https://app.example/%2e%2e/cb', 'https://evil@app.example/cb', 'https://app.example@evil.example/cb',
    'https://app.example/cb?', 'https://app.example/cb?x=1', 'https://app.example/other', 'https://app.example/other?tenant=2', 'https://app.example/cb#', 'https://app.example/cb#x', 'https://app.example:443/cb', 'https://app.example:8443/cb',
    'http://app.example/cb', 'https://sub.app.example/cb', 'https://app.example.evil/cb', 'https://app.example/x/../cb', 'https://app.example\\@evil.example/cb', 'https://app.example/cb\\', 'https://äpp.example/cb', ' https://app.example/cb', 'https://app.example/cb ', ''
  ]
  for (const uri of others) for (const isNative of [false, true]) t.notOk(isRegisteredRedirectUri(registered, uri, isNative), `${uri} ${isNative}`)
  for (const uri of registered) t.ok(isRegisteredRedirectUri(registered, uri, false), uri)
  const ports = [['http://127.0.0.1:49152/cb', true], ['http://127.0.0.1/cb', true], ['http://[::1]:49152/cb', true], ['http://localhost:1/cb', true], ['http://127.0.0.1:99999/cb', false], ['http://127.0.0.1:3000/cb/', false],
    ['http://127.0.0.1:3000/cb?x', false], ['http://127.0.0.2:3000/cb', false], ['http://127.0.0.1:3000@evil.example/cb', false], ['https://127.0.0.1:3000/cb', false], ['http://127.0.0.1.evil.example:3000/cb', false]] as const
  for (const [uri, matches] of ports) {
    t.equal(isRegisteredRedirectUri(registered, uri, true), matches, uri)
    t.notOk(isRegisteredRedirectUri(registered, uri, false) && uri !== registered[2], uri)
  }
})
