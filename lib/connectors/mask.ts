const masked = '[masked]'

/** `text` with every secret masked, also where it is escaped: in a URL (in a URL), in JSON (in JSON), in HTML. */
export function mask (text: string, secrets: readonly string[]): string {
  const told = [...new Set(secrets)].filter((secret) => secret !== '').sort((one, other) => other.length - one.length) // one may begin with another
  return told.length === 0 ? text : text.replace(new RegExp(told.map(anyForm).join('|'), 'g'), masked)
}

function anyForm (secret: string): string {
  return Array.from(secret, (character) => /[A-Za-z0-9]/.test(character) ? character : `(?:${formsOf(character).join('|')})`).join('')
}

const entities = new Map([['&', '&amp;'], ['<', '&lt;'], ['>', '&gt;'], ['"', '&quot;'], ["'", '&apos;'], [' ', '\\+']])

/** A URL may stand in HTML that escapes all but letters. */
const percent = '(?:%|&#0*37;|&#[xX]0*25;)'

/** Backslashes are counted to eight: an answer full of them would be read again for each of them. */
function formsOf (character: string): string[] {
  const point = character.codePointAt(0) ?? 0
  const units = Array.from({ length: character.length }, (_, at) => `\\\\{1,8}u${anyCase(character.charCodeAt(at).toString(16).padStart(4, '0'))}`).join('')
  const bytes = Array.from(Buffer.from(character), (byte) => `${percent}(?:25)*${anyCase(byte.toString(16).padStart(2, '0'))}`).join('')
  const entity = entities.get(character)
  return [
    ...(character === '\\' ? ['\\\\{1,8}'] : character === '"' || character === '/' ? [`\\\\{0,8}${character}`] : [character.replace(/[$()*+.?[\]^{|}]/, '\\$&')]),
    units,
    bytes,
    `&#0*${point};`,
    `&#[xX]0*${anyCase(point.toString(16))};`,
    ...(entity === undefined ? [] : [entity])
  ]
}

function anyCase (hex: string): string {
  return hex.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
}
