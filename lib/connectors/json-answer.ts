import type { ExchangeErrors } from './dialect.js'
import { kindOf, readAll, readText } from './read-text.js'

/** Enough to see that there is a body. */
const glance = 64 * 1024

/** The parsed answer, null when it is empty. @throws what `errors` has for it */
export async function readJson (response: Response, maxBytes: number, errors: ExchangeErrors): Promise<unknown> {
  const kind = kindOf(response)
  const text = await readText(response, kind === 'JSON' ? maxBytes : glance)
  if (text === '') return null
  if (kind !== 'JSON') throw errors.notJson(kind, response.status)
  if (text === null) throw tooLarge(maxBytes, errors)
  return parse(text, response, errors)
}

/** What was answered, by its media type: parsed JSON, text of any other, null when it is empty. @throws what `errors` has for it */
export async function readAnswer (response: Response, maxBytes: number, errors: ExchangeErrors): Promise<unknown> {
  const text = await readPlainText(response, maxBytes, errors)
  if (text === '') return null
  return kindOf(response) === 'JSON' ? parse(text, response, errors) : text
}

function parse (text: string, response: Response, errors: ExchangeErrors): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw errors.notJson('malformed JSON', response.status) // without the cause: it quotes the body
  }
}

/** The answer as it is, of whatever media type. @throws what `errors` has for one that is too large */
export async function readPlainText (response: Response, maxBytes: number, errors: ExchangeErrors): Promise<string> {
  const text = await readText(response, maxBytes)
  if (text === null) throw tooLarge(maxBytes, errors)
  return text
}

/** The bytes of an answer. @throws what `errors` has for one that is too large */
export async function readBytes (response: Response, maxBytes: number, errors: ExchangeErrors): Promise<Uint8Array> {
  const bytes = await readAll(response, maxBytes)
  if (bytes === null) throw tooLarge(maxBytes, errors)
  return bytes
}

function tooLarge (maxBytes: number, errors: ExchangeErrors): Error {
  return errors.unexpectedAnswer(`more than ${maxBytes} bytes`)
}
