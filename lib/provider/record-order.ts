/** The order in which MongoDB sorts ids of one type: numbers and dates by value, text by its UTF-8 bytes, object ids by their hexadecimal text. */
export function compareIds (one: unknown, other: unknown): number {
  if (isNumeric(one) && isNumeric(other)) return Number(one > other) - Number(one < other)
  return Buffer.compare(Buffer.from(String(one)), Buffer.from(String(other)))
}

function isNumeric (value: unknown): value is number | bigint | Date {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Date
}
