import t from 'tap'
import { drawChart } from '../bench/auth/chart.js'
import { comparisons } from '../bench/auth/comparisons.js'
import { toMarkdown, withReport } from '../bench/auth/report.js'
import { measureAuth } from '../bench/auth/run.js'
import { takeTurns } from '../bench/auth/turns.js'
import { runConnectors } from '../bench/connectors/run.js'
import { runDocuware } from '../bench/docuware/run.js'
import { runWebhooks } from '../bench/webhooks/run.js'

const root = new URL('../', import.meta.url)

t.test('the auth benchmark starts each kind of server and yields figures', async (t) => {
  const wanted = ['hot-HS256', 'new-RS256', 'together-open', 'boot', 'hook', 'memory']
  const results = await measureAuth({
    rounds: 1,
    seconds: 0.1,
    wants: (part) => wanted.includes(part),
    validators: 20,
    distinct: 100,
    memoryCheckpoints: [200, 400],
    root,
    progress: (line) => { t.comment(line) }
  })

  const expected = comparisons.filter(({ name }) => wanted.includes(name)).flatMap(({ name, contestants }) => contestants.map((contestant) => `${name}: ${contestant.name}`))
  t.same(results.rows.map(({ comparison, contestant }) => `${comparison}: ${contestant}`), expected)
  for (const { contestant, requestsPerSecond, share, cpuMicroseconds, goals } of results.rows) {
    t.ok(requestsPerSecond > 0 && share.median > 0 && cpuMicroseconds > 0, contestant)
    for (const goal of goals) t.equal(goal.reached, goal.share.median >= goal.least && goal.share.median <= (goal.most ?? Infinity))
  }
  t.same(results.memory.map(({ tokens }) => tokens), [0, 200, 400])
  t.strictSame(results.hook.map(({ microseconds }) => microseconds.median > 0), [true, true, true, true])
  t.ok(results.memory.every(({ heap, rss }) => heap > 0 && rss > heap))
  t.strictSame(results.boot.map(({ whole, imports }) => whole.median > imports.median && imports.median > 0), [true, true, true])

  const report = toMarkdown(results)
  for (const { contestant } of results.rows) t.match(report, `| ${contestant} |`)
  t.equal(withReport('a <!-- auth: begin -->old<!-- auth: end --> z', report), `a <!-- auth: begin -->\n\n${report}\n<!-- auth: end --> z`)
  t.throws(() => withReport('no markers', report), RangeError)
  t.match(drawChart(results), /^<svg [\s\S]*@fastify\/jwt[\s\S]*<\/svg>\n$/)
})

t.test('a server that answered nothing in its turns takes more of them, alone, and not for ever', async (t) => {
  const taken: string[] = []
  const answersIn = (answering: (server: string, nth: number) => boolean) => async (server: string, turn: number) => {
    taken.push(`${server}${turn}`)
    return { requests: answering(server, taken.filter((one) => one.startsWith(server)).length) ? 5 : 0 }
  }
  const parts = await takeTurns(['a', 'b', 'c'], 2, answersIn((server, nth) => server === 'b' ? nth === 4 : nth === 1))
  t.strictSame(taken, ['a0', 'b0', 'c0', 'c1', 'b1', 'a1', 'b0', 'b1'])
  t.strictSame([...parts].map(([server, of]) => [server, of.map(({ requests }) => requests)]), [['a', [5, 0]], ['b', [0, 0, 0, 5]], ['c', [5, 0]]])
  taken.length = 0
  await t.rejects(takeTurns(['a', 'b'], 2, answersIn((server) => server === 'a')), new Error('a server answered nothing in 20 turns'))
  t.equal(taken.length, 22)
})

t.test('the docuware benchmark runs, and its figures that are no times are right', async (t) => {
  const lines: string[] = []
  await runDocuware(['--rounds', '1', '--requests', '64'], (line) => { lines.push(line) })
  t.match(lines, [/^client\.get against bare fetch/, /^ {2}bare fetch/, /calls with a valid token: 0 /, /expired token: 1 refresh/, /noticed by another app/])
})

t.test('the connectors benchmark compares GET and POST with bare fetch', async (t) => {
  const lines: string[] = []
  await runConnectors(['--rounds', '1', '--requests', '64'], (line) => { lines.push(line) })
  for (const at of [0, 4]) {
    t.match(lines.slice(at, at + 4), [at === 0 ? /^GET, 64 in flight/ : /^POST of 1 KB, 64 in flight/, /^ {2}bare fetch: [1-9]\d*\/s, .+ time x 1\.000 /, /^ {2}fetch with AbortSignal\.timeout: [1-9]/, /^ {2}connector: [1-9]\d*\/s, .+ CPU x [1-9\d.]+ of bare fetch; (pass|miss): goal < 1\.1$/])
  }
  t.equal(lines.length, 8)
})

t.test('the webhooks benchmark sends signed requests to each kind of server', async (t) => {
  const lines: string[] = []
  await runWebhooks(['--rounds', '1', '--seconds', '0.1'], (line) => { lines.push(line) })
  const figures = lines.map((line) => /^(1 [KM]B), (.+): (\d+)\/s, [\d.]+ µs CPU, ([\d.]+) \(/.exec(line)?.slice(1) ?? [line])
  t.strictSame(figures.map(([size, name]) => `${size}: ${name}`), ['1 KB', '1 MB'].flatMap((size) => [
    `${size}: bare POST route`, `${size}: bare POST route and one HMAC by hand`, `${size}: this package, config.webhook`
  ]))
  for (const [size, name, perSecond, share] of figures) t.ok(Number(perSecond) > 0 && Number(share) > 0, `${size}: ${name}`)
})
