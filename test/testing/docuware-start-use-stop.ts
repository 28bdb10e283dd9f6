import { startDocuWare } from '../../testing/index.js'

// Run by fork: starts a simulator, leaves a slow answer, a held token answer and an unread download behind, and stops. It must then end by itself.
const dw = await startDocuWare({ fileCabinets: [{ name: 'Files', documents: 1, fileBytes: 2 ** 28 }] })
const form = { grant_type: 'password', client_id: 'docuware.platform.net.client', scope: 'docuware.platform', username: dw.user.username, password: dw.user.password }
const token = () => fetch(`${dw.identityUrl}/connect/token`, { method: 'POST', body: new URLSearchParams(form) })
const body: unknown = await (await token()).json()
const accessToken = typeof body === 'object' && body !== null && 'access_token' in body ? String(body.access_token) : ''
const call = (path: string) => fetch(dw.platformUrl + path, { headers: { authorization: `Bearer ${accessToken}` } })
await call(`/FileCabinets/${dw.fileCabinets.at(0)?.id}/Documents/1/FileDownload`)
dw.slowNext(1, { delayMs: 60_000 })
const left = [call('/Organizations').catch(() => null)]
const gate = dw.holdTokens()
left.push(token().catch(() => null))
await gate.waiting()
await dw.stop()
await dw.stop()
await Promise.all(left)
