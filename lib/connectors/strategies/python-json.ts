import { errors } from '../../errors.js'

/**
 * JSON with the bytes of Python's `json.dumps(value, sort_keys=True)`: ", " and ": " between, ASCII alone, members by code point, numbers as Python's `repr` writes them.
 * A number without a fraction is an integer, as Python reads it; what JSON.stringify leaves out is left out.
 * @throws DWA_CONNECTOR_INVALID_REQUEST for a number that is not finite, and for what is nothing in JSON
 */
export function pythonJson (value: unknown): string {
  const text = write(value)
  if (text === undefined) throw new errors.DWA_CONNECTOR_INVALID_REQUEST('json is nothing that JSON can say')
  return text
}

function write (given: unknown): string | undefined {
  const value = hasToJson(given) ? given.toJSON() : given
  switch (typeof value) {
    case 'string': return quoted(value)
    case 'number': return number(value)
    case 'bigint': case 'boolean': return String(value)
    case 'object': break
    default: return undefined
  }
  if (value === null) return 'null'
  if (Array.isArray(value)) return `[${value.map((item: unknown) => write(item) ?? 'null').join(', ')}]`
  const members = Object.entries(value).sort(([one], [other]) => byCodePoint(one, other)).flatMap(([name, member]) => {
    const text = write(member)
    return text === undefined ? [] : [`${quoted(name)}: ${text}`]
  })
  return `{${members.join(', ')}}`
}

function hasToJson (value: unknown): value is { toJSON: () => unknown } {
  return typeof value === 'object' && value !== null && 'toJSON' in value && typeof value.toJSON === 'function'
}

/** JSON.stringify escapes controls and lone surrogates as Python does; the rest of what is not printable ASCII comes on top. */
function quoted (text: string): string {
  return JSON.stringify(text).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The shortest digits that read back as the same number, in Python's notation: an exponent below 1e-4 and from 1e16 on. */
function number (value: number): string {
  if (!Number.isFinite(value)) throw new errors.DWA_CONNECTOR_INVALID_REQUEST('JSON has no such number')
  if (Object.is(value, -0)) return '-0.0'
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return BigInt(value).toString()
  const [mantissa = '', power = ''] = value.toExponential().split('e')
  const exponent = Number(power)
  if (exponent < -4 || exponent >= 16) return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
  const [sign, digits] = [value < 0 ? '-' : '', mantissa.replace(/[-.]/g, '')]
  return exponent < 0 ? `${sign}0.${'0'.repeat(-exponent - 1)}${digits}` : `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`
}

/** Python sorts by code points, ECMAScript by UTF-16 units: they differ where surrogates meet U+E000 and above. */
function byCodePoint (one: string, other: string): number {
  const [a, b] = [[...one], [...other]]
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const difference = (a[at]?.codePointAt(0) ?? 0) - (b[at]?.codePointAt(0) ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
