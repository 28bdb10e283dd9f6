/** An answer's body as text, without a byte order mark; null when it has more than `maxBytes` (unpacked), and the rest is not fetched. */
export async function readText (response: Response, maxBytes: number): Promise<string | null> {
  if (response.body === null) return ''
  const length = response.headers.get('content-length')
  if (length !== null && !response.headers.has('content-encoding')) {
    if (Number(length) <= maxBytes) return await response.text()
    await response.body.cancel()
    return null
  }
  const bytes = await readAll(response, maxBytes)
  return bytes === null ? null : new TextDecoder().decode(bytes)
}

/** An answer's body; null when it has more than `maxBytes` (unpacked), and the rest is not fetched. */
export async function readAll ({ body }: Response, maxBytes: number): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) { // leaving the loop cancels the rest
    bytes += chunk.length
    if (bytes > maxBytes) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** What an answer is, in a word: `JSON`, `HTML`, `XML`, or its media type. */
export function kindOf (response: Response): string {
  const header = response.headers.get('content-type') ?? ''
  if (header === 'application/json; charset=utf-8' || header === 'application/json') return 'JSON' // nearly always, without taking it apart
  const type = header.split(';', 1).at(0)?.trim().toLowerCase() ?? ''
  if (/^(application|text)\/([\w.-]+\+)?json$/.test(type)) return 'JSON'
  if (type === 'text/html' || type === 'application/xhtml+xml') return 'HTML'
  if (/[/+]xml$/.test(type)) return 'XML'
  return /^[\w.+-]{1,60}\/[\w.+-]{1,60}$/.test(type) ? type : 'something without a media type'
}
