/** What .NET has for "no date": the first of January of the year 1. */
const noDate = -62_135_596_800_000

/**
 * The instant that DocuWare writes as `/Date(1781144834365)/` or `/Date(1781144834365+0200)/` (the offset says where, not when).
 * Null for anything else, and for .NET's `DateTime.MinValue`, which stands for no date.
 */
export function readDocuWareDate (value: unknown): Date | null {
  const milliseconds = typeof value === 'string' ? /^\/Date\((-?\d{1,16})(?:[+-]\d{4})?\)\/$/.exec(value)?.[1] : undefined
  if (milliseconds === undefined || Number(milliseconds) === noDate) return null
  const date = new Date(Number(milliseconds))
  return Number.isNaN(date.getTime()) ? null : date
}

/**
 * A date as searches take it: `2026-01-31` for midnight UTC, as `new Date('2026-01-31')` is, with time and `Z` for any other instant.
 * @throws RangeError when the date is invalid
 */
export function searchDate (date: Date): string {
  const text = date.toISOString()
  return text.endsWith('T00:00:00.000Z') ? text.slice(0, 10) : text
}
