import t from 'tap'
import { withReport } from '../bench/auth/report.js'
import { toMarkdown } from '../bench/provider/report.js'
import { measureProvider } from '../bench/provider/run.js'

t.test('the provider benchmark sends good requests to each kind of server and yields figures', async (t) => {
  const results = await measureProvider({
    rounds: 1,
    seconds: 0.2,
    wants: (part) => ['refresh', 'introspection-new', 'route', 'rotations', 'tokens-code'].includes(part),
    tokens: [20, 40],
    rotations: 20,
    mongodbUri: process.env['MONGODB_URI'],
    root: new URL('../', import.meta.url),
    progress: (line) => { t.comment(line) }
  })
  t.strictSame([...new Set(results.rows.map(({ title }) => title))], ['token, refresh_token', 'introspection, every token new', 'protected route, one hot token, in one process'])
  t.strictSame(results.sizes.map(({ title, contestant }) => `${title}: ${contestant}`), ['token, authorization_code: 20 stored tokens', 'token, authorization_code: 40 stored tokens'])
  for (const { title, contestant, requestsPerSecond, share, cost, cpuMicroseconds, goals } of [...results.rows, ...results.sizes]) {
    t.ok(requestsPerSecond > 0 && share.median > 0 && cost.median > 0 && cpuMicroseconds > 0, `${title}: ${contestant}`)
    for (const goal of goals) t.equal(goal.reached, goal.share.median >= goal.least)
  }
  t.match(results.rotated, { rotations: 20, documents: 1 })

  const report = toMarkdown(results)
  for (const { contestant } of [...results.rows, ...results.sizes]) t.ok(report.includes(`| ${contestant} |`), contestant)
  t.match(report, /20 rotations of one refresh token.*: 1 family document of \d+ bytes/)
  t.equal(withReport('a <!-- provider: begin --><!-- provider: end --> z', report, 'provider'), `a <!-- provider: begin -->\n\n${report}\n<!-- provider: end --> z`)
})
