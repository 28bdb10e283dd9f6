import type { Results } from './results.js'
import type { Row } from './throughput.js'

const width = 860
const labelWidth = 285
const scaleWidth = 395
const barHeight = 16
const barGap = 4
const groupGap = 22
const titleHeight = 22
const top = 78

/** Requests a second as shares of the reference, one bar for each other server, as SVG for light and dark pages. */
export function drawChart ({ rows, circumstances }: Results): string {
  const groups = new Set(rows.map(({ comparison }) => comparison))
  const greatest = Math.max(1, ...rows.map(({ share }) => share.median))
  const x = (share: number): number => labelWidth + share / greatest * scaleWidth
  const parts: string[] = []
  let y = top
  for (const group of groups) {
    const [reference, ...others] = rows.filter(({ comparison }) => comparison === group)
    if (reference === undefined) continue
    parts.push(text(20, y + 12, 'title', reference.title), text(width - 20, y + 12, 'note end', `1.00 = ${Math.round(reference.requestsPerSecond / 100) / 10}k requests/s`))
    y += titleHeight
    for (const row of others) {
      parts.push(bar(row, y, x))
      y += barHeight + barGap
    }
    y += groupGap - barGap
  }
  const height = y + 4
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => `<line class="${share === 1 ? 'full' : 'grid'}" x1="${round(x(share))}" x2="${round(x(share))}" y1="${top - 6}" y2="${round(y - groupGap + 6)}"/>${text(x(share), top - 12, 'note middle', share.toFixed(2))}`)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${round(height)}" width="${width}" height="${round(height)}" role="img" aria-labelledby="chart-title">
<title id="chart-title">Requests a second as a share of bare Fastify</title>
<style>
  svg { background: #ffffff; font: 13px system-ui, sans-serif; --ink: #1f2328; --faint: #59636e; --line: #d1d9e0; --ours: #0969da; --theirs: #8c959f; --limit: #bc8cff }
  @media (prefers-color-scheme: dark) { svg { background: #0d1117; --ink: #f0f6fc; --faint: #9198a1; --line: #3d444d; --ours: #4493f8; --theirs: #6e7681; --limit: #8957e5 } }
  text { fill: var(--ink) } .heading { font-size: 16px; font-weight: 600 } .title { font-weight: 600 } .note { fill: var(--faint); font-size: 12px } .end { text-anchor: end } .middle { text-anchor: middle }
  .grid { stroke: var(--line) } .full { stroke: var(--faint); stroke-dasharray: 4 3 } .ours { fill: var(--ours) } .theirs { fill: var(--theirs) } .limit { fill: var(--limit) }
</style>
${text(20, 28, 'heading', 'Requests a second as a share of bare Fastify')}
${text(20, 48, 'note', `one process, 64 connections; median of ${circumstances.rounds} interleaved rounds; ${circumstances.date}, Node ${circumstances.node}, ${circumstances.cores} cores`)}
${grid.join('\n')}
${parts.join('\n')}
</svg>
`
}

function bar ({ contestant, share }: Row, y: number, x: (share: number) => number): string {
  const kind = contestant.startsWith('this package') ? 'ours' : contestant === 'node:crypto alone' || contestant === 'a Map look-up by hand' ? 'limit' : 'theirs'
  const baseline = y + 12.5
  return `${text(labelWidth - 10, baseline, 'end', contestant)}<rect class="${kind}" x="${labelWidth}" y="${round(y)}" width="${round(x(share.median) - labelWidth)}" height="${barHeight}" rx="2"/>${text(width - 20, baseline, 'end', share.median.toFixed(2))}`
}

function text (x: number, y: number, classes: string, content: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text${classes === '' ? '' : ` class="${classes}"`} x="${round(x)}" y="${round(y)}">${escaped}</text>`
}

function round (value: number): number {
  return Math.round(value * 10) / 10
}
