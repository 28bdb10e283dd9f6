/** Columns as wide as their widest cell; control characters would let a name play tricks with the terminal. */
export function tableOf (rows: ReadonlyArray<readonly string[]>): string[] {
  const cells = rows.map((row) => row.map((cell) => cell.replaceAll(/\p{Cc}/gu, '?')))
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd())
}
