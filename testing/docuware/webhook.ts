import { createHmac, randomBytes } from 'node:crypto'
import { jsonDate } from './document-fields.js'

/** How a webhook is sent. */
export interface WebhookOptions {
  /** The passphrase that signs. Default: the organization's. */
  readonly secret?: string
  /** The body is sent with blanks and line ends outside strings, and the signature is of the text without them. Default: false. */
  readonly spaced?: boolean
  /** `wrong`: of another passphrase; `malformed`: not hexadecimal; `missing`: no header. Default: `right`. */
  readonly signature?: 'right' | 'wrong' | 'malformed' | 'missing'
  /** Further headers. */
  readonly headers?: { readonly [name: string]: string }
}

/** What came of a webhook. */
export interface WebhookAnswer {
  readonly status: number
  readonly text: string
  /** What was sent. */
  readonly sent: { readonly body: string, readonly signature: string | null }
}

/** The notification of a stored document, as text: its amount is 5.30, which no JSON serializer would write. */
export function webhookEvent (now: number): string {
  return `{"TimeStamp":"${jsonDate(now)}","Event":"DocumentStored","Values":[` +
    '{"FieldName":"COMPANY","IsNull":"False","Item":"Großküchen Müller GmbH","ItemElementName":"String"},' +
    '{"FieldName":"AMOUNT","IsNull":"False","Item":5.30,"ItemElementName":"Decimal"}]}'
}

/** The value of `x-docuware-signature`: hexadecimal HMAC-SHA-512 of the minified body, keyed with the organization's passphrase. */
export function webhookSignature (body: string, secret: string): string {
  return createHmac('sha512', secret).update(minify(body)).digest('hex')
}

/** POSTs a signed webhook. A text is sent as it is; an object as JSON. */
export async function sendWebhook (url: string, event: string | object, { secret, spaced = false, signature = 'right', headers = {} }: WebhookOptions & { readonly secret: string }): Promise<WebhookAnswer> {
  const text = typeof event === 'string' ? event : JSON.stringify(event)
  const body = spaced ? text.replaceAll(outsideStrings, (part) => /^[,:{[]$/.test(part) ? `${part}\n  ` : part) : text
  const signed = sign(body, secret, signature)
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json; charset=utf-8', ...(signed === null ? {} : { 'x-docuware-signature': signed }), ...headers },
    body,
    redirect: 'manual'
  })
  return { status: answer.status, text: await answer.text(), sent: { body, signature: signed } }
}

/** A string, or one character outside of strings. */
const outsideStrings = /"(?:[^"\\]|\\.)*"|[^]/g

function minify (text: string): string {
  return text.replaceAll(outsideStrings, (part) => /^\s$/.test(part) ? '' : part)
}

function sign (body: string, secret: string, signature: NonNullable<WebhookOptions['signature']>): string | null {
  switch (signature) {
    case 'right': return webhookSignature(body, secret)
    case 'wrong': return webhookSignature(body, randomBytes(24).toString('base64url'))
    case 'malformed': return 'not a signature'
    case 'missing': return null
  }
}
