const removed = '[redacted]'
/** Characters: shorter ones are part of too many harmless texts, and this many are what a place in a text is looked up by. */
const leastLength = 6
/** Encoded spellings are known by so many characters; what follows in the same run belongs to them. */
const spellingLength = 64
/** Encodings inside encodings that are looked through. */
const layers = 3

const run = /[A-Za-z0-9+/_=%.~-]*/y

interface Spelling {
  readonly text: string
  /** Whether it is the secret as it is, and not the beginning of an encoding of it. */
  readonly plain: boolean
}

/** Spellings by their first characters, and a filter that says quickly of most places in a text that none begins there. */
class SpellingIndex {
  readonly #spellings = new Map<string, Spelling[]>()
  readonly #filter = new Uint8Array(1 << 16)

  get empty (): boolean {
    return this.#spellings.size === 0
  }

  add (spelling: Spelling): void {
    const start = spelling.text.slice(0, leastLength)
    const others = this.#spellings.get(start)
    if (others === undefined) this.#spellings.set(start, [spelling])
    else others.push(spelling)
    this.#filter[fingerprint(start, 0)] = 1
  }

  /** Those that begin like the text does at that place. */
  at (text: string, place: number): readonly Spelling[] {
    return this.#filter[fingerprint(text, place)] === 0 ? [] : this.#spellings.get(text.slice(place, place + leastLength)) ?? []
  }
}

/** 16 bits of the four characters from that place on. */
function fingerprint (text: string, at: number): number {
  let hash = 0
  for (let next = at; next < at + 4; next++) hash = Math.imul(hash ^ text.charCodeAt(next), 0x01000193)
  return (hash >>> 8) & 0xffff
}

/** The secrets that passed through the store lately, in the memory of this process only: what must not leave by another way is compared with them. */
export class HandledSecrets {
  readonly #limit: number
  /** In order of last use. Their spellings are worked out when somebody asks. */
  readonly #secrets = new Map<string, readonly Spelling[] | null>()
  #index: SpellingIndex | null = null

  /** @param limit how many of the last ones are known */
  constructor (limit = 1000) {
    this.#limit = limit
  }

  /** Notes a secret. Shorter ones than six characters are not, nor what plain JavaScript may pass that is no text: it could not be looked for. */
  add (text: string): void {
    if (typeof text !== 'string' || text.length < leastLength) return
    const spellings = this.#secrets.get(text)
    if (spellings === undefined) this.#index = null
    else this.#secrets.delete(text)
    this.#secrets.set(text, spellings ?? null)
    const [oldest] = this.#secrets.keys()
    if (this.#secrets.size > this.#limit && oldest !== undefined) this.#secrets.delete(oldest)
  }

  /** Whether one of them is in the text: as it is, in base64, base64url or hexadecimal, percent-encoded or escaped, or cut off by the text's end. */
  includesIn (text: string): boolean {
    return this.redact(text) !== text
  }

  /** The text without them. Where one hides in an escaped part of it, nothing of the text is left. */
  redact (text: string): string {
    const index = this.#indexed()
    if (index.empty) return text
    const rest = withoutSpellings(text, index)
    return hides(rest, index, layers) ? removed : rest
  }

  #indexed (): SpellingIndex {
    if (this.#index !== null) return this.#index
    const index = new SpellingIndex()
    for (const [secret, known] of this.#secrets) {
      const spellings = known ?? spellingsOf(secret)
      this.#secrets.set(secret, spellings)
      for (const spelling of spellings) index.add(spelling)
    }
    this.#index = index
    return index
  }
}

function spellingsOf (secret: string): Spelling[] {
  const bytes = Buffer.from(secret)
  const hex = bytes.toString('hex')
  const encoded = new Set([hex, hex.toUpperCase()])
  for (const shift of [0, 1, 2]) {
    const base64 = embeddedBase64(bytes, shift)
    encoded.add(base64).add(base64.replaceAll('+', '-').replaceAll('/', '_'))
  }
  return [{ text: secret, plain: true }, ...[...encoded].map((text) => ({ text: text.slice(0, spellingLength), plain: false }))]
}

/** The characters of a base64 text that are these bytes and nothing else, when `shift` bytes (modulo three) come before them. */
function embeddedBase64 (bytes: Buffer, shift: number): string {
  const bits = (shift + bytes.length) * 8
  return Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64').slice(Math.ceil(shift * 8 / 6), Math.floor(bits / 6))
}

function withoutSpellings (text: string, index: SpellingIndex): string {
  let clean = ''
  let from = 0
  for (let at = 0; at + leastLength <= text.length;) {
    const end = endOfSpelling(text, at, index)
    if (end === at) {
      at++
    } else {
      clean += text.slice(from, at) + removed
      at = from = end
    }
  }
  return clean + text.slice(from)
}

/** Where the longest spelling that begins at that place ends; the place itself when none does. */
function endOfSpelling (text: string, at: number, index: SpellingIndex): number {
  let end = at
  for (const spelling of index.at(text, at)) {
    const left = text.length - at
    if (left < spelling.text.length ? spelling.text.startsWith(text.slice(at)) : text.startsWith(spelling.text, at)) {
      end = Math.max(end, spelling.plain ? Math.min(at + spelling.text.length, text.length) : endOfRun(text, at + spelling.text.length))
    }
  }
  return end
}

function endOfRun (text: string, at: number): number {
  run.lastIndex = Math.min(at, text.length)
  run.test(text)
  return run.lastIndex
}

function hides (text: string, index: SpellingIndex, depth: number): boolean {
  return depth > 0 && decodings(text).some((decoded) => withoutSpellings(decoded, index) !== decoded || hides(decoded, index, depth - 1))
}

/** What the text says when it was escaped for a URL or a form, or as a string literal. */
function decodings (text: string): string[] {
  const decoded = new Set([unpercented(text), unpercented(text.replaceAll('+', ' '))])
  decoded.add(text.replace(/\\(?:u([0-9a-f]{4})|x([0-9a-f]{2})|([^]))/gi, (_, unit: string | undefined, byte: string | undefined, escaped: string = '') => {
    const code = unit ?? byte
    return code === undefined ? literalEscapes[escaped] ?? escaped : String.fromCharCode(Number.parseInt(code, 16))
  }))
  decoded.delete(text)
  return [...decoded]
}

function unpercented (text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (codes) => Buffer.from(codes.replaceAll('%', ''), 'hex').toString())
}

const literalEscapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f', v: '\v', 0: '\0' }
