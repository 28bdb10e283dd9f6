import { errors } from '../../errors.js'
import { kindOf, readText } from './read-text.js'

/** Enough to see that there is a body. */
const glance = 64 * 1024

/** The parsed answer, null when it is empty. @throws DWA_DOCUWARE_NOT_JSON, DWA_DOCUWARE_UNEXPECTED_ANSWER */
export async function readJson (response: Response, maxBytes: number): Promise<unknown> {
  const kind = kindOf(response)
  const text = await readText(response, kind === 'JSON' ? maxBytes : glance)
  if (text === '') return null
  if (kind !== 'JSON') throw new errors.DWA_DOCUWARE_NOT_JSON(kind, response.status)
  if (text === null) throw tooLarge(maxBytes)
  try {
    return JSON.parse(text)
  } catch {
    throw new errors.DWA_DOCUWARE_NOT_JSON('malformed JSON', response.status) // without the cause: it quotes the body
  }
}

/** The answer as it is, of whatever media type. @throws DWA_DOCUWARE_UNEXPECTED_ANSWER */
export async function readPlainText (response: Response, maxBytes: number): Promise<string> {
  const text = await readText(response, maxBytes)
  if (text === null) throw tooLarge(maxBytes)
  return text
}

function tooLarge (maxBytes: number): Error {
  return new errors.DWA_DOCUWARE_UNEXPECTED_ANSWER(`more than ${maxBytes} bytes`)
}
