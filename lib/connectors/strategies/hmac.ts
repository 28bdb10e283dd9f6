import { createHmac } from 'node:crypto'
import { systemClock, type Clock } from '../../clock.js'
import { errors } from '../../errors.js'
import { canonicalJson, type Json } from '../../log/canonical-json.js'
import { checkOptions } from '../../options.js'
import { withHeaders, type ConnectorRequest, type Strategy } from '../strategy.js'
import { headerText } from './header-schema.js'
import { pythonJson } from './python-json.js'

export interface HmacOptions {
  readonly key: string
  readonly secret: string
  /** `python`: the bytes of `json.dumps(sort_keys=True)`; `compact`: RFC 8785. Default `python`. */
  readonly canonicalJson?: 'python' | 'compact' | undefined
  readonly clock?: Pick<Clock, 'now'> | undefined
}

export const hmacSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['key', 'secret'],
  properties: { key: headerText, secret: { type: 'string', minLength: 1, maxLength: 8192 }, canonicalJson: { enum: ['python', 'compact'] }, clock: { type: 'object' } }
} as const

/**
 * Signed requests: `X-API-Key`, `X-Timestamp` (whole Unix seconds) and `X-Signature`, the base64 of
 * HMAC-SHA-256(secret, METHOD LF endpoint LF timestamp [LF json]). The endpoint is the path exactly as the caller passed it, its query too when it is
 * inside it; the json line is left out when there is none or an empty one, as Python's truth test has it. The text that is signed is the body that is sent.
 * Forms and other bodies are refused: nothing would protect them.
 * @throws DWA_OPTIONS_INVALID
 */
export function hmac (options: HmacOptions): Strategy {
  checkOptions('hmac', hmacSchema, options)
  const { key, secret, canonicalJson: form = 'python', clock = systemClock } = options
  return {
    name: 'hmac',
    secrets: [key, secret],
    apply (request) {
      const text = bodyOf(request, form)
      const timestamp = String(Math.floor(clock.now() / 1000))
      const signed = [request.method, request.path, timestamp, ...(text === null || empty.has(text) ? [] : [text])].join('\n')
      const signature = createHmac('sha256', secret).update(signed).digest('base64')
      return { ...withHeaders(request, { 'x-api-key': key, 'x-timestamp': timestamp, 'x-signature': signature }), body: text }
    }
  }
}

/** What is false in Python. */
const empty = new Set(['{}', '[]', '""', '0', '-0.0', 'false', 'null'])

function bodyOf ({ json, body }: ConnectorRequest, form: 'python' | 'compact'): string | null {
  if (json === undefined && body !== null) throw new errors.DWA_CONNECTOR_INVALID_REQUEST('hmac signs JSON alone: give the body as json')
  if (json === undefined || json === null) return null
  return form === 'python' ? pythonJson(json) : compactJson(json)
}

/** @throws DWA_CONNECTOR_INVALID_REQUEST */
function compactJson (value: unknown): string {
  const plain: Json = JSON.parse(JSON.stringify(value, (_name, member: unknown) => {
    if (typeof member === 'number' && !Number.isFinite(member)) throw new errors.DWA_CONNECTOR_INVALID_REQUEST('JSON has no such number')
    return member
  }))
  return canonicalJson(plain)
}
