// The coverage gate: every line of lib/ and plugins/ is run by a test, and every module there is loaded by one.
import { readFileSync, readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const summary = JSON.parse(readFileSync(join(root, '.tap/report/coverage-summary.json'), 'utf8'))
const covered = new Map(Object.entries(summary).map(([file, figures]) => [relative(root, file), figures.lines]))

const problems = []
for (const folder of ['lib', 'plugins']) {
  for (const entry of readdirSync(join(root, folder), { recursive: true })) {
    const file = [folder, ...entry.split(sep)].join('/')
    if (!file.endsWith('.ts')) continue
    const lines = covered.get(file)
    if (lines === undefined) problems.push(`${file}: no test loads it`)
    else if (lines.covered < lines.total) problems.push(`${file}: ${lines.total - lines.covered} of ${lines.total} lines not run`)
  }
}

for (const problem of problems) console.error(problem)
console.log(problems.length === 0 ? 'coverage: 100 % of the lines of lib/ and plugins/' : `coverage: ${problems.length} files below 100 %`)
process.exitCode = problems.length === 0 ? 0 : 1
