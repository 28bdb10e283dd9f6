import type { Refusal, RefusedRequest } from '../../connectors/dialect.js'
import { kindOf, readText } from '../../connectors/read-text.js'
import { failureKind } from '../../connectors/retry-policy.js'
import type { PeerAnswer } from '../../connectors/transport.js'
import { errors } from '../../errors.js'
import { redactText } from '../../log/redact.js'
import { isObject, member } from './member.js'

const maxBytes = 64 * 1024
const licence = /licen[csç]|lizenz|ライセンス|лиценз/i

/** Reads DocuWare's `{ Message, Exception }`, or names what came instead; never rejects. */
export async function readRefusal (answer: PeerAnswer, request: RefusedRequest): Promise<Refusal> {
  const { status } = answer
  const kind = kindOf(answer)
  const text = await readText(answer, maxBytes).catch(() => null) // the status says enough
  const body = kind === 'JSON' && text !== null ? parsed(text) : null
  const said = (name: string, length: number): string | null => isObject(body) ? oneLine(member(body, name), request.secrets, length) : null
  const docuwareMessage = said('Message', 500)
  const exception = said('Exception', 2000)

  if (status === 401 && docuwareMessage !== null && licence.test(docuwareMessage)) return { kind: 'final', error: new errors.DWA_DOCUWARE_LICENCES(docuwareMessage), exception }
  if (status === 410 && /\/account\//i.test(request.path)) return { kind: 'final', error: new errors.DWA_DOCUWARE_LEGACY_LOGON(request.path), exception }
  const account = docuwareMessage !== null ? `: ${docuwareMessage}` : kind !== 'JSON' && text !== '' ? ` with ${kind}` : ''
  const error = Object.assign(new errors.DWA_DOCUWARE_HTTP(status, account), { status, docuwareMessage, method: request.method, path: request.path })
  return { kind: failureKind(status), error, exception }
}

function parsed (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // then its status is all that an answer says
  }
}

function oneLine (value: unknown, secrets: readonly string[], length: number): string | null {
  if (typeof value !== 'string' || value.trim() === '') return null
  return redactText(secrets.reduce((text, secret) => text.replaceAll(secret, ''), value).slice(0, 4 * length)).replace(/[\p{Cc}\s]+/gu, ' ').trim().slice(0, length)
}
