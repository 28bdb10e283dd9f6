import { MongoBackend } from '@agendajs/mongo-backend'
import { Agenda, type AgendaOptions } from 'agenda'
import { MongoClient, ObjectId, type Db } from 'mongodb'
import mongoose from 'mongoose'
import t, { type Test } from 'tap'
import { systemClock, type Clock } from '../../lib/clock.js'
import type { AgendaInstance, AgendaJob, AppQueue, JobData, JobHandler, QueueOption } from '../../lib/docuware/queue/job-queue.js'
import { openQueue, type OpenQueue } from '../../lib/docuware/queue/open-queue.js'
import { ManualClock } from '../manual-clock.js'
import { examplesOf, readPages, toJavaScript } from '../markdown.js'
import { startTestMongo } from '../mongo.js'
import { eventually, type Line } from '../store-app.js'
import { startWorker } from '../workers/fork-worker.js'

/** Lets everything happen that needs no timer and no other process. */
const settle = async (): Promise<void> => { for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve)) }

/** A promise and the function that fulfils it. */
function gate (): { passed: Promise<void>, open: () => void } {
  let open = (): void => {}
  const passed = new Promise<void>((resolve) => { open = resolve })
  return { passed, open }
}

async function unexpected (): Promise<void> {
  t.fail('a job ran that should not')
}

interface Opened { queue: OpenQueue, lines: Line[] }

function open (option: unknown, clock: Clock = systemClock): Opened {
  const lines: Line[] = []
  const say = (level: Line['level']) => (details: object, message: string): void => { lines.push({ level, message, details: { ...details } }) }
  return { queue: openQueue(option, { clock, logger: { info: say('info'), warn: say('warn'), error: say('error') } }), lines }
}

/** An app's own queue that keeps the handlers it is given. */
class OwnQueue implements AppQueue {
  readonly handlers = new Map<string, JobHandler>()
  enqueue: AppQueue['enqueue'] = () => 'j-1'

  process (name: string, handler: JobHandler): void {
    this.handlers.set(name, handler)
  }

  async bring (name: string, data: unknown): Promise<void> {
    await Reflect.apply(this.handlers.get(name) ?? unexpected, null, [data])
  }
}

/** An Agenda without a database: it says what was asked of it. */
class FakeAgenda implements AgendaInstance {
  readonly asked: string[] = []
  readonly listeners = new Map<string, (job: AgendaJob) => void>()
  start: () => Promise<void> = async () => { this.asked.push('start') }
  run: (job: AgendaJob) => Promise<void> = unexpected

  define (name: string, processor: (job: AgendaJob) => Promise<void>): void {
    this.asked.push(`define ${name}`)
    this.run = processor
  }

  async now (name: string): Promise<unknown> {
    return { attrs: { _id: `${name}-1` } }
  }

  async stop (closeConnection?: boolean): Promise<void> {
    this.asked.push(`stop ${String(closeConnection)}`)
  }

  on (event: string, listener: (job: AgendaJob) => void): void {
    this.listeners.set(event, listener)
  }

  off (event: string): void {
    this.listeners.delete(event)
  }
}

interface RealAgenda { agenda: Agenda, db: Db }

/** An Agenda of an app's, with a connection of the app's. */
async function realAgenda (t: Test, uri: string, options: Partial<AgendaOptions> = {}): Promise<RealAgenda> {
  const client = await MongoClient.connect(uri)
  const agenda = new Agenda({ backend: new MongoBackend({ mongo: client.db() }), processEvery: 50, ...options })
  await agenda.ready
  t.teardown(async () => {
    await agenda.stop()
    await client.close()
  })
  return { agenda, db: client.db() }
}

t.test('an option that is neither a queue nor an Agenda is refused', async (t) => {
  const method = (): void => {}
  const cases: Array<[string, unknown]> = [
    ['nothing', undefined], ['null', null], ['a name', 'redis'], ['a function', method], ['an empty object', {}],
    ['no process', { enqueue: method }], ['no enqueue', { process: method }], ['enqueue is no function', { enqueue: 'x', process: method }],
    ['the class Agenda', Agenda], ['no start', { define: method, now: method, stop: method }], ['nothing that enqueues', { define: method, start: method, stop: method }],
    ['an Agenda before version 6', { define: method, now: method, start: method, stop: method, _definitions: {} }]
  ]
  for (const [what, option] of cases) t.throws(() => open(option), { code: 'DWA_OPTIONS_INVALID', message: /^docuware\.queue: must be an object with enqueue and process, or an Agenda instance/ }, what)
})

t.test('a queue tells the job\'s id, in whatever form', async (t) => {
  const id = new ObjectId()
  const madeUp = /^[0-9a-f]{8}-[0-9a-f-]{27}$/
  const cases: Array<[unknown, string | RegExp]> = [
    ['j-1', 'j-1'], [17, '17'], [17n, '17'], [{ id: 'j-2' }, 'j-2'], [{ id: 18 }, '18'], [{ _id: id }, id.toHexString()], [id, id.toHexString()],
    [{ attrs: { _id: 'j-3' } }, 'j-3'], [undefined, madeUp], [null, madeUp], ['', madeUp], [{}, madeUp], [{ id: {} }, madeUp], [true, madeUp]
  ]
  for (const [answer, expected] of cases) {
    for (const enqueue of [() => answer, async () => answer]) {
      const own = new OwnQueue()
      own.enqueue = enqueue
      t.match(await open(own).queue.enqueue('sync', {}), expected)
    }
  }
  const agendas: AgendaInstance[] = [new FakeAgenda(), { define () {}, start: async () => {}, stop: async () => {}, create: (name) => ({ save: async () => ({ attrs: { _id: `${name}-1` } }) }) }]
  for (const agenda of agendas) t.equal(await open(agenda).queue.enqueue('sync', {}), 'sync-1')
})

t.test('a queue gets the job\'s name and data', async (t) => {
  const own = new OwnQueue()
  const got: unknown[] = []
  own.enqueue = (...args) => { got.push(args) }
  await open(own).queue.enqueue('sync', { connection: 'c-1' })
  t.strictSame(got, [['sync', { connection: 'c-1' }]])
})

t.test('a queue that does not take a job is an error with a code, which repeats nothing of what the queue said', async (t) => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => { unhandled.push(reason) }
  process.on('unhandledRejection', note)
  t.teardown(() => { process.off('unhandledRejection', note) })
  const failure = new Error('redis://user:password@host is away')
  const late = gate()
  const cases: Array<[string, AppQueue['enqueue'], unknown]> = [
    ['throws', () => { throw failure }, failure],
    ['rejects', async () => { throw failure }, failure],
    ['never answers', () => new Promise(() => {}), { message: 'No answer within 5000 ms' }],
    ['rejects too late', async () => { await late.passed; throw failure }, { message: 'No answer within 5000 ms' }]
  ]
  for (const [what, enqueue, cause] of cases) {
    const clock = new ManualClock()
    const own = new OwnQueue()
    own.enqueue = enqueue
    let settled = false
    const outcome = open(own, clock).queue.enqueue('sync', {}).catch((error: unknown) => error).finally(() => { settled = true })
    clock.advance(4999)
    await settle()
    t.equal(settled, !/never|late/.test(what), `${what}: it has 5 s`)
    clock.advance(1)
    const error = await outcome
    t.match(error, { code: 'DWA_DOCUWARE_QUEUE_REFUSED', statusCode: 503, cause }, what)
    t.notMatch(String(error), /password/, what)
  }
  late.open()
  await settle()
  t.strictSame(unhandled, [])
})

t.test('a queue of the app\'s own runs jobs by the handler', async (t) => {
  const own = new OwnQueue()
  const { queue, lines } = open(own)
  const got: JobData[] = []
  queue.process('sync', async (data) => {
    got.push(data)
    if (data['connection'] === 'bad') throw new Error('no such connection')
  })
  await own.bring('sync', { connection: 'c-1' })
  await t.rejects(own.bring('sync', { connection: 'bad' }), { message: 'no such connection' }, 'a failure is told to the queue')
  for (const nonsense of [undefined, null, 'c-1', ['c-1']]) await t.rejects(own.bring('sync', nonsense), { code: 'DWA_DOCUWARE_INVALID_JOB' })
  t.strictSame(got, [{ connection: 'c-1' }, { connection: 'bad' }])
  t.strictSame(lines, [])
})

t.test('a queue that cannot run jobs does not hold up the app', async (t) => {
  const failure = new Error('away: redis://user:password@host')
  const cases: Array<[string, AppQueue['process'], number]> = [
    ['throws', () => { throw failure }, 1],
    ['rejects', async () => { throw failure }, 1],
    ['waits for ever', () => new Promise(() => {}), 0]
  ]
  for (const [what, process, errors] of cases) {
    const own = new OwnQueue()
    own.process = process
    const { queue, lines } = open(own)
    queue.process('sync', async () => {})
    await settle()
    t.match(lines, Array(errors).fill({ level: 'error', message: 'the job queue does not run jobs in this process', details: { job: 'sync' } }), what)
    t.notMatch(JSON.stringify(lines), /password/, what)
    await queue.close()
  }
})

t.test('close waits for running jobs, and lets no more begin', async (t) => {
  const own = new OwnQueue()
  const { queue, lines } = open(own, new ManualClock())
  const { passed, open: finish } = gate()
  queue.process('sync', async () => { await passed })
  const job = own.bring('sync', {})
  let closed = false
  const closing = queue.close().then(() => { closed = true })
  await t.rejects(queue.enqueue('sync', {}), { code: 'DWA_DOCUWARE_QUEUE_CLOSED' })
  await t.rejects(own.bring('sync', {}), { code: 'DWA_DOCUWARE_QUEUE_CLOSED' })
  await settle()
  t.notOk(closed)
  finish()
  await Promise.all([closing, job, queue.close()])
  t.strictSame(lines, [])
})

t.test('close waits 10 s and no longer for a job that does not end', async (t) => {
  const clock = new ManualClock()
  const own = new OwnQueue()
  const { queue, lines } = open(own, clock)
  queue.process('sync', async () => { await new Promise(() => {}) })
  own.bring('sync', {}).catch(t.fail)
  let closed = false
  const closing = queue.close().then(() => { closed = true })
  await settle()
  clock.advance(9999)
  await settle()
  t.notOk(closed)
  clock.advance(1)
  await closing
  t.match(lines, [{ level: 'warn', message: 'the job queue did not close as it should', details: { running: 1, reason: 'Error: No answer within 10000 ms' } }])
})

t.test('the lock of an Agenda job is kept fresh while it runs, and not touched after its end', async (t) => {
  const clock = new ManualClock()
  const agenda = new FakeAgenda()
  const { queue, lines } = open(agenda, clock)
  const { passed: ended, open: end } = gate()
  queue.process('sync', async () => { await ended })
  let touches = 0
  let touch = async (): Promise<void> => {}
  let done = false
  const run = agenda.run({ attrs: { data: {} }, touch: () => { touches++; return touch() } }).then(() => { done = true })
  await settle()
  t.equal(touches, 1, 'at once, since it may have waited for its turn')
  for (const expected of [2, 3, 4]) {
    clock.advance(2000)
    await settle()
    t.equal(touches, expected)
  }
  touch = async () => { throw new Error('away') }
  clock.advance(2000)
  await settle()
  t.match(lines, [{ level: 'warn', message: 'the lock of a job could not be kept', details: { job: 'sync', reason: 'Error: away' } }])
  const { passed: touched, open: answer } = gate()
  touch = async () => { await touched }
  clock.advance(4000)
  await settle()
  t.equal(touches, 6, 'one at a time')
  end()
  await settle()
  t.notOk(done, 'the end waits for the touch under way')
  answer()
  await run
  clock.advance(60_000)
  await settle()
  t.equal(touches, 6)
})

t.test('an Agenda that is not started is started and stopped; one that is, is left alone', async (t) => {
  const idle = new FakeAgenda()
  const first = open(idle)
  first.queue.process('sync', async () => {})
  first.queue.process('other', async () => {})
  await settle()
  t.strictSame(idle.asked, ['define sync', 'start', 'define other'])
  await first.queue.close()
  await first.queue.close()
  t.strictSame(idle.asked.slice(3), ['stop false'])
  t.equal(idle.listeners.size, 0)

  const active = Object.assign(new FakeAgenda(), { isActiveJobProcessor: () => true })
  const second = open(active)
  second.queue.process('sync', async () => {})
  await second.queue.close()
  t.strictSame(active.asked, ['define sync'])
})

t.test('an Agenda that starts after the end is stopped then', async (t) => {
  const clock = new ManualClock()
  const agenda = new FakeAgenda()
  const { passed, open: connect } = gate()
  agenda.start = async () => { await passed; agenda.asked.push('start') }
  const { queue, lines } = open(agenda, clock)
  queue.process('sync', async () => {})
  const closing = queue.close()
  await settle()
  clock.advance(5000)
  await closing
  t.match(lines, [{ level: 'warn', message: 'the job queue did not close as it should' }])
  connect()
  await settle()
  t.strictSame(agenda.asked, ['define sync', 'start', 'stop false'])
})

t.test('an Agenda that cannot be started is an error in the log', async (t) => {
  const agenda = new FakeAgenda()
  agenda.start = async () => { throw new Error('no notifications') }
  const { queue, lines } = open(agenda)
  queue.process('sync', async () => {})
  await settle()
  t.match(lines, [{ level: 'error', details: { job: 'sync', reason: 'Error: no notifications' } }])
  await queue.close()
})

t.test('close waits until Agenda has stored what became of a job', async (t) => {
  const clock = new ManualClock()
  const agenda = new FakeAgenda()
  const { queue } = open(agenda, clock)
  queue.process('sync', async () => {})
  const job = { attrs: { data: {} } }
  await agenda.run(job)
  let closed = false
  const closing = queue.close().then(() => { closed = true })
  await settle()
  t.notOk(closed)
  agenda.listeners.get('complete:sync')?.({ attrs: {} })
  await settle()
  t.notOk(closed, 'another job\'s end is not this one\'s')
  agenda.listeners.get('complete:sync')?.(job)
  await closing
  const jobWithoutSchedule = { attrs: { data: {} } }
  await t.rejects(agenda.run(jobWithoutSchedule), { code: 'DWA_DOCUWARE_QUEUE_CLOSED' })
})

t.test('jobs run by agenda itself', async (t) => {
  const { uri } = await startTestMongo(t)
  const { agenda, db } = await realAgenda(t, uri)
  const option: QueueOption = agenda
  const { queue, lines } = open(option)
  const runs: unknown[] = []
  queue.process('sync', async (data) => {
    runs.push(data['connection'])
    if (data['connection'] === 'bad') throw new Error('no such connection')
  })
  const good = await queue.enqueue('sync', { connection: 'good' })
  const bad = await queue.enqueue('sync', { connection: 'bad' })
  const job = async (id: string): Promise<Record<string, unknown> | null> => await db.collection('agendaJobs').findOne({ _id: new ObjectId(id) })
  await eventually('both have run', async () => (await job(good))?.['lastFinishedAt'] != null && (await job(bad))?.['failedAt'] != null)
  t.match(await job(good), { name: 'sync', data: { connection: 'good' }, failCount: null, lockedAt: null, nextRunAt: null })
  t.match(await job(bad), { failCount: 1, failReason: 'no such connection', lockedAt: null, nextRunAt: null }, 'a failed job has failed, and is not due again')

  const third = await queue.enqueue('sync', { connection: 'good' })
  await eventually('a later one has run', async () => (await job(third))?.['lastFinishedAt'] != null)
  t.strictSame(runs, ['good', 'bad', 'good'], 'meanwhile nothing ran again')
  await queue.close()
  t.notOk(agenda.isActiveJobProcessor())
  t.strictSame(lines, [])
  await t.rejects(queue.enqueue('sync', {}), { code: 'DWA_DOCUWARE_QUEUE_CLOSED' })
})

t.test('a job that outlives the queue\'s app is left to another process', async (t) => {
  const { uri } = await startTestMongo(t)
  const { agenda, db } = await realAgenda(t, uri)
  await agenda.start()
  const first = open(agenda)
  first.queue.process('sync', unexpected)
  await first.queue.close()
  t.ok(agenda.isActiveJobProcessor(), 'the app started it, the app stops it')

  const other = await realAgenda(t, uri)
  const second = open(other.agenda)
  const id = await second.queue.enqueue('sync', {})
  await eventually('it was put off', async () => await db.collection('agendaJobs').findOne({ nextRunAt: { $gt: new Date(Date.now() + 3000) }, lockedAt: null }) !== null)
  await agenda.stop()
  await db.collection('agendaJobs').updateOne({ _id: new ObjectId(id) }, { $set: { nextRunAt: new Date() } })
  const { passed, open: ran } = gate()
  second.queue.process('sync', async () => { ran() })
  await passed
  await second.queue.close()
})

t.test('close waits for a job that agenda runs, its outcome included', async (t) => {
  const { uri } = await startTestMongo(t)
  const { agenda, db } = await realAgenda(t, uri)
  const { queue } = open(agenda)
  const [begun, ended] = [gate(), gate()]
  queue.process('sync', async () => {
    begun.open()
    await ended.passed
  })
  await queue.enqueue('sync', {})
  await begun.passed
  const closing = queue.close()
  await eventually('no more jobs begin', () => !agenda.isActiveJobProcessor())
  ended.open()
  await closing
  t.match(await db.collection('agendaJobs').findOne(), { lockedAt: null, lastFinishedAt: Date })
})

t.test('several processes run each job once', async (t) => {
  const { uri } = await startTestMongo(t)
  const { agenda } = await realAgenda(t, uri)
  const { queue } = open(agenda)
  const workers = [1, 2].map(() => startWorker(t, uri, '', './queue-worker.ts'))
  const connections = Array.from({ length: 40 }, (_, i) => `c-${i}`)
  const seen: unknown[] = []
  for (const worker of workers) t.match(await worker.next(), { ready: true })
  await Promise.all(connections.map(async (connection) => await queue.enqueue('sync', { connection })))
  const follow = async (worker: typeof workers[number]): Promise<void> => {
    for (let message = await worker.next(); message['closed'] !== true; message = await worker.next()) {
      seen.push(message['began'])
      if (seen.length === connections.length) for (const each of workers) each.stop()
    }
  }
  await Promise.all(workers.map(follow))
  t.strictSame(seen.sort(), connections.sort())
})

t.test('a process that has run jobs ends by itself, soon after its queue was closed', async (t) => {
  await Promise.all(['shared', 'own'].map(async (task) => {
    const { uri } = await startTestMongo(t)
    const { agenda } = await realAgenda(t, uri)
    const { queue } = open(agenda)
    const worker = startWorker(t, uri, task, './queue-worker.ts')
    t.match(await worker.next(), { ready: true })
    for (const connection of ['a', 'b']) await queue.enqueue('sync', { connection })
    t.strictSame([await worker.next(), await worker.next()].map(({ began }) => began).sort(), ['a', 'b'])
    worker.stop()
    t.match(await worker.next(), { closed: true })
    await eventually(`it has ended (${task} connection; agenda's own timers take 3 s)`, () => worker.process.exitCode !== null, 8000)
    t.equal(worker.process.exitCode, 0)
  }))
})

t.test('a job whose process died is run by another as soon as its lock has ended', async (t) => {
  const { uri } = await startTestMongo(t)
  const { agenda, db } = await realAgenda(t, uri)
  const { queue } = open(agenda)
  const worker = startWorker(t, uri, 'hang', './queue-worker.ts')
  t.match(await worker.next(), { ready: true })
  await queue.enqueue('sync', { connection: 'a' })
  t.match(await worker.next(), { began: 'a' })
  worker.process.kill('SIGKILL')
  await worker.exit
  const { passed, open: ran } = gate()
  queue.process('sync', async () => { ran() })
  const aged = await db.collection('agendaJobs').updateOne({ lockedAt: { $ne: null } }, { $set: { lockedAt: new Date(Date.now() - 6001) } })
  t.equal(aged.modifiedCount, 1, 'it is locked')
  await passed
  await queue.close()
})

/** The examples on queues, each made into a function of what it imports and what it takes for granted. It hands over the queue. */
async function documentedQueues (): Promise<Array<(given: object) => Promise<unknown>>> {
  const sections = [...await readPages()].flatMap(([name, page]) => page.split(/^(?=## )/m).filter((section) => section.startsWith('## Queue\n')).map((section) => examplesOf(name, section)))
  return sections.flat().map((example) => async (given) => {
    let queue: unknown
    const names = { ...given, docuware: null, app: { register: (_: unknown, options: { queue: unknown }) => { queue = options.queue } } }
    const AsyncFunction = async function () {}.constructor
    const run: unknown = Reflect.construct(AsyncFunction, [...Object.keys(names), toJavaScript(example).script.replace(/^(import|export) .*$/gm, '')])
    if (typeof run === 'function') await Reflect.apply(run, null, Object.values(names))
    return queue
  })
}

t.test('the documented queues work as they are written', async (t) => {
  const [agendaQueue, enqueueOnly, bull, ...others] = await documentedQueues()
  t.strictSame(others, [])
  if (agendaQueue === undefined || enqueueOnly === undefined || bull === undefined) return t.fail('there are three')
  const { uri } = await startTestMongo(t)

  const shared = mongoose.createConnection.bind(mongoose)
  const connections: mongoose.Connection[] = []
  const given = { uri, Agenda, MongoBackend, mongoose: { createConnection: (uri: string) => { const made = shared(uri); connections.push(made); return made } } }
  t.teardown(async () => { for (const connection of connections) await connection.close() })
  const worker = open(await agendaQueue(given)).queue
  const { passed, open: ran } = gate()
  worker.process('sync', async ({ connection }) => { if (connection === 'c-1') ran() })

  const { agenda } = await realAgenda(t, uri)
  const web = open(await enqueueOnly({ agenda }))
  web.queue.process('sync', unexpected)
  t.match(await web.queue.enqueue('sync', { connection: 'c-1' }), /^[0-9a-f]{24}$/)
  await passed
  t.notOk(agenda.isActiveJobProcessor())
  await Promise.all([worker.close(), web.queue.close()])

  const processors = new Map<string, (job: { data: unknown }) => Promise<void>>()
  class Queue {
    readonly name: string
    constructor (name: string) { this.name = name }
    async add (name: string, data: unknown): Promise<{ id: string, data: unknown }> { return { id: `${this.name}/${name}`, data } }
  }
  class Worker {
    constructor (name: string, processor: (job: { data: unknown }) => Promise<void>) { processors.set(name, processor) }
  }
  const other = open(await bull({ Queue, Worker, connection: {} })).queue
  const got: JobData[] = []
  other.process('sync', async (data) => { got.push(data) })
  t.equal(await other.enqueue('sync', {}), 'sync/sync')
  await processors.get('sync')?.({ data: { connection: 'c-1' } })
  t.strictSame(got, [{ connection: 'c-1' }])
})
