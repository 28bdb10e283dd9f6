import { isJsonType, requestBounded, type BoundedRequest } from './bounded-request.js'

export type FetchJsonOptions = Pick<BoundedRequest, 'timeoutMs' | 'maxBytes' | 'allowSpecialAddress'>

/**
 * GETs a JSON document from a fixed URL, bounded as in `requestBounded`.
 * @throws Error with a one-line message that holds no part of the answer's body
 */
export async function fetchJson (url: URL, options: FetchJsonOptions): Promise<unknown> {
  const { body } = await requestBounded(url, {
    ...options,
    headers: { accept: 'application/json, application/*+json;q=0.9' },
    inspect (status, headers) {
      if (status !== 200) throw new Error(`answered with status ${status}`)
      if (headers['content-encoding'] === undefined && !isJsonType(headers['content-type'])) throw new Error('answered with another media type than JSON')
    }
  })
  return parseJson(body)
}

/** @throws Error without a part of the text */
export function parseJson (body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    throw new Error('answered with malformed JSON') // without the cause: it quotes the body
  }
}
