// Signs in at the identity server (authorization code, PKCE S256) and calls the app's routes. Tokens live in `tokens` and nowhere else.
const { issuer, clientId, redirectUri } = document.documentElement.dataset
const tokens = { identity: null, own: null }
const element = (id) => document.getElementById(id)

const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
const randomText = () => base64url(crypto.getRandomValues(new Uint8Array(32)))

async function discover () {
  const response = await fetch(`${issuer}/.well-known/openid-configuration`)
  const metadata = await response.json()
  if (metadata.issuer !== issuer) throw new Error('the identity server has another name than expected')
  return metadata
}

async function startSignIn () {
  const metadata = await discover()
  const attempt = { state: randomText(), verifier: randomText() }
  // Only what proves that the answer belongs to this attempt outlives the page.
  sessionStorage.setItem('attempt', JSON.stringify(attempt))
  const challenge = base64url(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(attempt.verifier)))
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: 'openid email whoami',
    state: attempt.state,
    code_challenge: challenge,
    code_challenge_method: 'S256'
  })
  window.location.assign(`${metadata.authorization_endpoint}?${query}`)
}

/** Takes the code out of the address before anything else sees it, checks whose answer it is, and redeems it. */
async function finishSignIn () {
  const answer = new URLSearchParams(window.location.search)
  if (!answer.has('state')) return
  window.history.replaceState(null, '', '/')
  const attempt = JSON.parse(sessionStorage.getItem('attempt') ?? 'null')
  sessionStorage.removeItem('attempt')
  if (attempt === null || answer.get('state') !== attempt.state) throw new Error('the answer belongs to another sign-in (state)')
  if (answer.get('iss') !== issuer) throw new Error('the answer comes from another identity server (iss)')
  if (answer.has('error')) throw new Error(`the identity server refused: ${answer.get('error')}`)
  const metadata = await discover()
  tokens.identity = await redeem(metadata.token_endpoint, {
    body: new URLSearchParams({ grant_type: 'authorization_code', client_id: clientId, redirect_uri: redirectUri, code: answer.get('code'), code_verifier: attempt.verifier })
  })
  tokens.own = await redeem('/auth_jwt_demo/token', { headers: { authorization: `Bearer ${tokens.identity}` } })
  const { name } = await (await fetch('/auth_jwt_demo/keycloak/whoami', { headers: { authorization: `Bearer ${tokens.identity}` } })).json()
  showIdentity(name)
}

async function redeem (url, options) {
  const response = await fetch(url, { method: 'POST', ...options })
  if (!response.ok) throw new Error(`no token: status ${response.status}`)
  return (await response.json()).access_token
}

function showIdentity (name) {
  const signedIn = tokens.identity !== null
  element('identity').textContent = signedIn ? `Signed in as ${name}.` : 'Nobody is signed in.'
  element('sign-in').hidden = signedIn
  element('sign-out').hidden = !signedIn
  for (const kind of ['identity', 'own']) radio(kind).disabled = tokens[kind] === null
  radio(signedIn ? 'identity' : 'none').checked = true
}

const radio = (value) => document.querySelector(`input[name=token][value=${value}]`)

async function signOut () {
  tokens.identity = tokens.own = null
  await fetch('/auth_jwt_demo_cookie/sign-out', { method: 'POST' })
  showIdentity()
}

async function callRoute (url) {
  const kind = document.querySelector('input[name=token]:checked').value
  const token = { none: null, typed: element('typed').value, ...tokens }[kind]
  const response = await fetch(url, { headers: token === null ? {} : { authorization: `Bearer ${token}` } })
  showAnswer(url, response, await response.text())
}

function showAnswer (url, response, body) {
  const challenge = response.headers.get('www-authenticate')
  element('empty').hidden = true
  for (const id of ['line', 'body']) element(id).hidden = false
  element('challenge').hidden = challenge === null
  element('challenge').textContent = `WWW-Authenticate: ${challenge}`
  element('status').textContent = String(response.status)
  element('status').className = response.ok ? 'good' : 'bad'
  element('request').textContent = `GET ${url}`
  element('body').textContent = JSON.stringify(JSON.parse(body), null, 2)
  element('body').scrollIntoView({ block: 'nearest' })
}

function guarded (action) {
  return () => action().catch((error) => { element('identity').textContent = `That did not work: ${error.message}.` })
}

element('sign-in').addEventListener('click', guarded(startSignIn))
element('sign-out').addEventListener('click', guarded(signOut))
element('typed').addEventListener('focus', () => { radio('typed').checked = true })
for (const button of document.querySelectorAll('[data-url]')) button.addEventListener('click', guarded(() => callRoute(button.dataset.url)))
guarded(finishSignIn)()
