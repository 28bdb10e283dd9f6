import t from 'tap'
import type { LogView } from '../../lib/admin/log-access.js'
import { LogReaders, type LogReader } from '../../lib/admin/log-readers.js'
import type { AuditLog } from '../../lib/log/audit-log.js'
import { ManualClock } from '../manual-clock.js'
import { eventually } from '../store-app.js'
import { EventReader } from './event-reader.js'
import { FakeLog } from './fake-log.js'

interface Line { readonly message: string }

/** Somebody who reads that, and may. */
function reading (view: LogView, mayStill: LogReader['mayStill'] = async () => true): LogReader {
  return { view, mayStill }
}

/** Readers of a log in memory. */
function readersOf (log: FakeLog, { max = 10, maxWaiting = 100_000 } = {}) {
  const lines: Line[] = []
  const note = (_details: object, message: string): void => { lines.push({ message }) }
  const clock = new ManualClock()
  const auditLog: AuditLog = Object.assign(log, { append: refuse, record: refuse, sample: refuse, verify: refuse })
  return { clock, lines, readers: new LogReaders({ auditLog, clock, logger: { info: note, warn: note, error: note }, max, maxWaiting }) }
}

function refuse (): never {
  throw new Error('only reading is meant here')
}

t.test('a stream begins now, and goes on with what comes', async (t) => {
  const log = new FakeLog()
  log.add('connection.created')
  const { readers } = readersOf(log)
  const reader = new EventReader(await readers.stream(reading({}), undefined))
  t.match(await reader.next(), { id: log.entries[0]?.id, entry: null }, 'where it begins is said, to come back to')
  log.add('connection.updated')
  log.add('connection.deleted')
  t.strictSame(await reader.events(2), ['connection.updated', 'connection.deleted'])
})

t.test('of an empty log too', async (t) => {
  const log = new FakeLog()
  const { readers, clock } = readersOf(log)
  const reader = new EventReader(await readers.stream(reading({}), undefined))
  t.match(await reader.next(), { id: null, entry: null })
  clock.advance(15_000)
  t.match(await reader.next(), { id: null, entry: null })
  log.add('log.opened')
  t.strictSame(await reader.events(1), ['log.opened'])
})

t.test('a stream shows what its reader may see, and says how far it is all the same', async (t) => {
  const log = new FakeLog()
  const { readers, clock } = readersOf(log)
  const all = new EventReader(await readers.stream(reading({}), undefined))
  const some = new EventReader(await readers.stream(reading({ areas: ['connection', 'webhook'] }), undefined))
  const events = ['client.created', 'connection.created', 'connections.x', 'webhook.refused', 'webhook_source.created', 'connection.x']
  for (const event of events) log.add(event)
  t.strictSame(await all.events(6), events)
  t.strictSame(await some.events(3), ['connection.created', 'webhook.refused', 'connection.x'])
  const { id } = log.add('client.deleted')
  t.strictSame(await all.events(1), ['client.deleted'])
  clock.advance(15_000)
  t.strictSame(await some.next(), { id, entry: null }, 'the place of an entry it does not see')
})

t.test('filters of a stream are those of the list', async (t) => {
  const log = new FakeLog()
  const { readers } = readersOf(log)
  const cases = [
    [{ event: 'connection.*' }, ['connection.a', 'connection.b', 'connection.c']],
    [{ event: 'connection.b' }, ['connection.b']],
    [{ event: 'client.*', areas: ['connection'] }, []],
    [{ target: 't2' }, ['connection.b']],
    [{ target: 'acme' }, ['connection.a', 'connection.b', 'connection.c', 'client.a']],
    [{ target: 'nobody' }, []]
  ] as const
  const streams = await Promise.all(cases.map(async ([view]) => new EventReader(await readers.stream(reading(view), undefined))))
  for (const event of ['connection.a', 'connection.b', 'connection.c', 'client.a']) log.add(event)
  for (const [index, [view, expected]] of cases.entries()) t.strictSame(await streams[index]?.events(expected.length), expected, JSON.stringify(view))
})

t.test('who comes back to a place that is remembered goes on there, without another look at the log', async (t) => {
  const log = new FakeLog()
  const { readers } = readersOf(log)
  const first = new EventReader(await readers.stream(reading({}), undefined))
  for (let count = 1; count <= 10; count++) log.add(`connection.e${count}`)
  await first.events(10)
  const again = new EventReader(await readers.stream(reading({}), log.entries[6]?.id))
  t.strictSame(await again.events(3), ['connection.e8', 'connection.e9', 'connection.e10'])
  t.equal(log.tails, 1)
  const newest = new EventReader(await readers.stream(reading({}), log.entries.at(-1)?.id))
  log.add('connection.e11')
  t.strictSame([await newest.events(1), await again.events(1)], [['connection.e11'], ['connection.e11']])
})

t.test('who comes back to an older place is given everything since, once and in order, whatever comes meanwhile', async (t) => {
  const log = new FakeLog()
  for (let count = 1; count <= 100; count++) log.add(`connection.e${count}`)
  const { readers } = readersOf(log)
  const expected = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, index) => `connection.e${from + index}`)

  log.hold()
  const live = new EventReader(await readers.stream(reading({}), undefined))
  const back = new EventReader(await readers.stream(reading({}), log.entries[9]?.id))
  for (let count = 101; count <= 110; count++) log.add(`connection.e${count}`)
  t.strictSame(await live.events(10), expected(101, 110))
  log.release()
  t.strictSame(await back.events(100), expected(11, 110))
  log.add('connection.e111')
  t.strictSame(await back.events(1), expected(111, 111))
  t.equal(log.tails, 1, 'nothing reads on beside the feed')

  const evicted = new EventReader(await readers.stream(reading({}), 'f'.repeat(24)))
  t.strictSame(await evicted.events(111), expected(1, 111), 'a place that is gone: what is left')
})

t.test('who is ahead of this process is given nothing twice', async (t) => {
  const log = new FakeLog()
  log.add('connection.e1')
  const { readers } = readersOf(log)
  log.hold()
  const live = new EventReader(await readers.stream(reading({}), undefined))
  const ahead = new EventReader(await readers.stream(reading({}), '000000000000000000000003')) // which another process has shown already
  log.add('connection.e2')
  log.add('connection.e3')
  t.strictSame(await live.events(2), ['connection.e2', 'connection.e3'])
  log.release()
  log.add('connection.e4')
  t.strictSame(await ahead.events(1), ['connection.e4'])
  await eventually('its own reading has ended', () => log.tails === 1)
})

t.test('who does not read is let go at a bound; who comes back loses nothing', async (t) => {
  const log = new FakeLog()
  log.add('connection.e0')
  const { readers } = readersOf(log, { maxWaiting: 50_000 })
  const dead = await readers.stream(reading({}), undefined)
  const live = new EventReader(await readers.stream(reading({}), undefined))
  t.equal(readers.open, 2)
  for (let count = 1; count <= 100; count++) {
    log.add(`connection.e${count}`, 1000)
    await live.events(1)
    t.ok(dead.readableLength <= 52_000, 'no more waits than the bound')
  }
  t.ok(dead.destroyed)
  t.equal(readers.open, 1)
  const again = new EventReader(await readers.stream(reading({}), log.entries[0]?.id))
  const events = await again.events(100)
  t.strictSame([events[0], events[99]], ['connection.e1', 'connection.e100'], 'also of more than the bound')
})

t.test('who reads old entries slowly is waited for; who does not read them at all is let go, and so is whom too many wait for', async (t) => {
  const log = new FakeLog()
  for (let count = 1; count <= 700; count++) log.add(`connection.e${count}`, 1000)
  const { readers, clock } = readersOf(log, { maxWaiting: 50_000 })
  const dead = await readers.stream(reading({}), log.entries[0]?.id)
  const gone = await readers.stream(reading({}), log.entries[0]?.id)
  await eventually('entries wait', () => dead.readableLength > 16_000 && gone.readableLength > 16_000)
  t.ok(dead.readableLength < 20_000, 'no more than is taken at once')
  const slow = new EventReader(await readers.stream(reading({}), log.entries[0]?.id))
  t.equal((await slow.events(699)).at(-1), 'connection.e700')
  gone.destroy()
  clock.advance(30_000)
  t.ok(dead.destroyed)
  log.hold()
  const late = await readers.stream(reading({}), log.entries[0]?.id)
  const live = new EventReader(await readers.stream(reading({}), undefined))
  for (let count = 1; count <= 1001; count++) log.add(`connection.new${count}`)
  await live.events(1001)
  t.ok(late.destroyed, 'a thousand new entries wait for it')
  log.release()
  await eventually('only the feed reads', () => log.tails === 1)
})

t.test('few read old entries at once; the others have their turn', async (t) => {
  const log = new FakeLog()
  for (let count = 1; count <= 3; count++) log.add(`connection.e${count}`)
  const { readers } = readersOf(log, { max: 20 })
  log.hold()
  const streams = await Promise.all(Array.from({ length: 12 }, async () => await readers.stream(reading({}), log.entries[0]?.id)))
  streams.at(-1)?.destroy()
  await eventually('four read beside the feed', () => log.tails === 5)
  log.release()
  for (const stream of streams.slice(0, -1)) t.strictSame(await new EventReader(stream).events(2), ['connection.e2', 'connection.e3'])
  await eventually('only the feed reads', () => log.tails === 1)
})

t.test('readers of old entries who do not read, or hardly do, have had their turn after ten seconds', async (t) => {
  const log = new FakeLog()
  for (let count = 1; count <= 300; count++) log.add(`connection.e${count}`, 1000)
  const { readers, clock } = readersOf(log, { max: 20 })
  const idle = [await readers.stream(reading({}), log.entries[0]?.id), await readers.stream(reading({}), log.entries[0]?.id), await readers.stream(reading({}), log.entries[0]?.id)]
  const slow = await readers.stream(reading({}), log.entries[0]?.id)
  await eventually('they have all turns, and entries wait', () => [...idle, slow].every(({ readableLength }) => readableLength > 16_000))
  const next = new EventReader(await readers.stream(reading({}), log.entries[0]?.id))
  await next.next()
  for (let seconds = 0; seconds < 9; seconds += 3) {
    clock.advance(3000)
    t.ok(slow.read() !== null)
    await eventually('more waits for the slow one', () => slow.readableLength > 16_000)
  }
  t.strictSame([...idle, slow].map(({ destroyed }) => destroyed), [false, false, false, false])
  clock.advance(1000)
  t.strictSame([...idle, slow].map(({ destroyed }) => destroyed), [true, true, true, true], 'what is read now and then does not begin them anew')
  t.equal((await next.events(299)).at(-1), 'connection.e300')
  await eventually('only the feed reads', () => log.tails === 1)
})

t.test('a stream beats, and ends after a quarter of an hour: its reader is asked again who they are', async (t) => {
  const log = new FakeLog()
  for (let count = 1; count <= 60; count++) log.add('log.e')
  const { readers, clock } = readersOf(log)
  log.hold()
  const stream = await readers.stream(reading({}), undefined)
  const waiting = new EventReader(await readers.stream(reading({}), log.entries[0]?.id))
  const dead = await readers.stream(reading({}), undefined)
  const reader = new EventReader(stream)
  await reader.next()
  await waiting.next()
  for (let beat = 1; beat < 60; beat++) {
    clock.advance(15_000)
    t.match(await reader.next(), { id: String, entry: null })
  }
  t.match(await waiting.next(), { id: null, entry: null }, 'while old entries come, no place is said')
  clock.advance(15_000)
  t.equal(await reader.next(), null)
  t.notOk(dead.destroyed)
  clock.advance(30_000)
  t.ok(dead.destroyed, 'also of one that is not read')
  await eventually('nobody is left', () => readers.open === 0)
})

t.test('no more than so many are open, exports among them', async (t) => {
  const log = new FakeLog()
  log.add('connection.e1')
  const { readers } = readersOf(log, { max: 2 })
  const [stream] = await Promise.all([readers.stream(reading({}), undefined), readers.export(reading({}))])
  await t.rejects(readers.stream(reading({}), undefined), { code: 'DWA_ADMIN_TOO_MANY_STREAMS', statusCode: 503 })
  await t.rejects(readers.export(reading({})), { code: 'DWA_ADMIN_TOO_MANY_STREAMS' })
  stream.destroy()
  await eventually('it is closed', () => readers.open === 1)
  t.ok(await readers.stream(reading({}), undefined))
})

t.test('an export reads on as fast as it is read', async (t) => {
  const log = new FakeLog()
  for (let count = 1; count <= 5000; count++) log.add(`connection.e${count}`, 200)
  const { readers } = readersOf(log)
  const all = (await (await readers.export(reading({}))).toArray()).join('').trimEnd().split('\n').map((line) => JSON.parse(line))
  t.strictSame([all.length, all[0].event, all.at(-1).event], [5000, 'connection.e5000', 'connection.e1'])
  t.equal(new Set(all.map(({ id }) => id)).size, 5000)
  log.queries.length = 0
  const dead = await readers.export(reading({ areas: ['connection'] }))
  dead.read(1)
  await new Promise((resolve) => setImmediate(resolve))
  t.ok(log.queries.length <= 2, `${log.queries.length} pages`)
  t.match(log.queries[0], { areas: ['connection'], limit: 500 })
  readers.close()
  t.ok(dead.destroyed)
})

/** Lets what was asked be answered. */
async function answers (): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

t.test('who may not read any more is let go within half a minute, of streams and of exports', async (t) => {
  const log = new FakeLog()
  for (let count = 1; count <= 100; count++) log.add(`connection.e${count}`, 1000)
  const { readers, clock, lines } = readersOf(log)
  let may = true
  let asked = 0
  const mayStill = async (): Promise<boolean> => {
    asked++
    return may
  }
  const open = [await readers.stream(reading({}, mayStill), undefined), await readers.stream(reading({}, mayStill), log.entries[90]?.id), await readers.export(reading({}, mayStill))]
  const other = await readers.stream(reading({}), undefined)
  for (let looks = 1; looks <= 2; looks++) {
    clock.advance(15_000)
    await answers()
    t.equal(asked, 3 * looks)
    t.strictSame(open.map(({ destroyed }) => destroyed), [false, false, false], 'who still may goes on')
  }
  may = false
  clock.advance(15_000)
  await answers()
  t.strictSame(open.map(({ destroyed }) => destroyed), [true, true, true])
  t.notOk(other.destroyed)
  await eventually('they are closed', () => readers.open === 1)
  clock.advance(60_000)
  t.equal(asked, 9, 'nobody is asked for them any more')
  t.strictSame(lines, [])
})

t.test('a question that fails, or is not answered before the next one, lets the reader go, too', async (t) => {
  const log = new FakeLog()
  for (let count = 1; count <= 100; count++) log.add(`connection.e${count}`, 1000)
  const { readers, clock, lines } = readersOf(log)
  const failing = async (): Promise<boolean> => { throw new Error('nobody answers') }
  const [failed, failedExport] = [await readers.stream(reading({}, failing), undefined), await readers.export(reading({}, failing))]
  let answer = (_may: boolean): void => {}
  const slow = async (): Promise<boolean> => await new Promise((resolve) => { answer = resolve })
  const [waiting, late] = [await readers.stream(reading({}, slow), undefined), await readers.stream(reading({}, slow), undefined)]
  clock.advance(15_000)
  answer(true)
  await answers()
  t.strictSame([failed.destroyed, failedExport.destroyed, waiting.destroyed, late.destroyed], [true, true, false, false])
  t.match(lines, [{ message: /could not be found out/ }, { message: /could not be found out/ }])
  clock.advance(15_000)
  t.strictSame([waiting.destroyed, late.destroyed], [true, false], 'which was not answered, and which was')
})

t.test('an export whose reader takes nothing for a minute is broken off; one that is read slowly goes on', async (t) => {
  const log = new FakeLog()
  for (let count = 1; count <= 5000; count++) log.add(`connection.e${count}`, 1000)
  const { readers, clock } = readersOf(log)
  const [dead, slow] = [await readers.export(reading({})), await readers.export(reading({}))]
  await Promise.all([dead, slow].map(async (one) => {
    one.read(1)
    await eventually('entries wait', () => one.readableLength >= 16_000)
    t.ok(one.readableLength < 40_000, 'no more than is taken at once')
  }))
  for (let seconds = 15; seconds <= 75; seconds += 15) {
    clock.advance(15_000)
    slow.read(20_000)
    await answers()
    t.notOk(slow.destroyed)
    t.equal(dead.destroyed, seconds >= 60, `after ${seconds} s`)
  }
  log.queries.length = 0
  await eventually('it is closed', () => readers.open === 1)
  t.strictSame(log.queries, [], 'nothing reads on for it')
  const rest = (await slow.toArray()).join('')
  t.match(rest, /connection\.e1"[^\n]*\n$/)
  await eventually('the other one has come to its end', () => readers.open === 0)
})

t.test('an export that fails later is broken off', async (t) => {
  const log = new FakeLog()
  for (let count = 1; count <= 1000; count++) log.add(`connection.e${count}`)
  const { readers } = readersOf(log)
  const broken = await readers.export(reading({}))
  log.fail(new Error('broken'))
  await t.rejects(broken.toArray(), { message: 'broken' })
  t.equal(readers.open, 0)
})

t.test('a log that cannot be read is an error before anything is sent; one that fails later ends the streams, and is told', async (t) => {
  const log = new FakeLog()
  const { readers, lines } = readersOf(log)
  const before = new EventReader(await readers.stream(reading({}), undefined))
  await before.next()
  const old = await readers.stream(reading({}), '1'.repeat(24))
  const broken = new Promise((resolve) => { old.once('error', resolve) })
  log.fail(new Error('broken for old entries'), 'old')
  t.match(await broken, { message: 'broken for old entries' })
  log.fail(new Error('broken'))
  t.equal(await before.next(), null)
  t.strictSame(lines, [{ message: 'the streams of the audit log were broken off' }])
  await t.rejects(readers.stream(reading({}), undefined), { message: 'broken' })
  await t.rejects(readers.export(reading({})), { message: 'broken' })
  t.equal(readers.open, 0)
})

t.test('of a stream that has ended, and is not read to its end, nothing more is asked', async (t) => {
  const { readers, clock } = readersOf(new FakeLog())
  const stream = await readers.stream(reading({}), undefined)
  const failures: Error[] = []
  stream.on('error', (error) => { failures.push(error) })
  readers.close()
  clock.advance(15_000)
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame(failures, [])
  t.notOk(stream.destroyed)
})

t.test('closing ends all streams', async (t) => {
  const log = new FakeLog()
  const { readers, lines } = readersOf(log)
  const reader = new EventReader(await readers.stream(reading({}), undefined))
  await reader.next()
  readers.close()
  t.equal(await reader.next(), null)
  await eventually('the feed has ended', () => log.tails === 0)
  t.strictSame(lines, [])
})
