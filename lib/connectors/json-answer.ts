import type { ExchangeErrors } from './dialect.js'
import { kindOf, readAll, readText } from './read-text.js'
import type { PeerAnswer } from './transport.js'

/** Enough to see that there is a body. */
const glance = 64 * 1024

/** The parsed answer, null when it is empty. @throws what `errors` has for it */
export async function readJson (answer: PeerAnswer, maxBytes: number, errors: ExchangeErrors): Promise<unknown> {
  const kind = kindOf(answer)
  const text = await readText(answer, kind === 'JSON' ? maxBytes : glance)
  if (text === '') return null
  if (kind !== 'JSON') throw errors.notJson(kind, answer.status)
  if (text === null) throw tooLarge(maxBytes, errors)
  return parse(text, answer, errors)
}

/** What was answered, by its media type: parsed JSON, text of any other, null when it is empty. @throws what `errors` has for it */
export async function readAnswer (answer: PeerAnswer, maxBytes: number, errors: ExchangeErrors): Promise<unknown> {
  const text = await readPlainText(answer, maxBytes, errors)
  if (text === '') return null
  return kindOf(answer) === 'JSON' ? parse(text, answer, errors) : text
}

function parse (text: string, answer: PeerAnswer, errors: ExchangeErrors): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw errors.notJson('malformed JSON', answer.status) // without the cause: it quotes the body
  }
}

/** The answer as it is, of whatever media type. @throws what `errors` has for one that is too large */
export async function readPlainText (answer: PeerAnswer, maxBytes: number, errors: ExchangeErrors): Promise<string> {
  const text = await readText(answer, maxBytes)
  if (text === null) throw tooLarge(maxBytes, errors)
  return text
}

/** The bytes of an answer. @throws what `errors` has for one that is too large */
export async function readBytes (answer: PeerAnswer, maxBytes: number, errors: ExchangeErrors): Promise<Uint8Array> {
  const bytes = await readAll(answer.body, maxBytes)
  if (bytes === null) throw tooLarge(maxBytes, errors)
  return bytes
}

function tooLarge (maxBytes: number, errors: ExchangeErrors): Error {
  return errors.unexpectedAnswer(`more than ${maxBytes} bytes`)
}
