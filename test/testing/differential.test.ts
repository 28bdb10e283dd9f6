import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { MongoClient, MongoServerError, type Db, type Document } from 'mongodb'
import t, { type Test } from 'tap'
import { startEmbeddedMongo } from '../../testing/index.js'
import { findSecondServer } from '../second-server.js'
import { features, scenarios, type Scenario, type Step } from './operations.js'

const TTL_WAIT_MS = 5_000
const NOT_IMPLEMENTED = 238

/** One server the script runs on. */
interface Target { database: Db, expire: () => Promise<void> }

async function answerOf (database: Db, command: Document): Promise<Document> {
  try {
    return await database.command(command)
  } catch (error) {
    if (error instanceof MongoServerError) return { ok: 0, ...error.errorResponse }
    return { ok: 0, errmsg: String(error) }
  }
}

/** The part of an answer that an expectation is about: numbers by value, documents by the fields it names. */
function part (answer: unknown, expected: unknown): unknown {
  if (Array.isArray(expected)) return Array.isArray(answer) ? answer.map((item, i) => i < expected.length ? part(item, expected[i]) : item) : answer
  if (typeof expected === 'object' && expected !== null && Object.getPrototypeOf(expected) === Object.prototype) {
    if (typeof answer !== 'object' || answer === null) return answer
    return Object.fromEntries(Object.keys(expected).map((name) => [name, part(Reflect.get(answer, name), Reflect.get(expected, name))]))
  }
  return answer
}

/** Numbers and BSON values in a form that compares by value. */
function plain (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Date) return { date: value.getTime() }
  if (value instanceof RegExp) return { regex: String(value) }
  if (typeof value !== 'object' || value === null) return value
  if (Object.getPrototypeOf(value) === Object.prototype) return Object.entries(value).map(([name, field]) => [name, plain(field)])
  const type: unknown = Reflect.get(value, '_bsontype')
  if (type === 'Double' || type === 'Int32') return Number(value)
  if (type === 'Long') return Number.isSafeInteger(Number(value)) ? Number(value) : { long: String(value) }
  if (type === 'Binary') return { binary: JSON.stringify(value), subtype: Reflect.get(value, 'sub_type') }
  return { [String(type)]: String(value) }
}

const batchOf = ({ cursor }: Document): unknown => cursor?.firstBatch ?? cursor?.nextBatch

interface Result { step: Step, seen: unknown, expected: unknown }

/** Runs a scenario and gives what was seen beside what was expected, or why the server cannot run it. */
async function play ({ database, expire }: Target, { steps }: Scenario): Promise<Result[] | string> {
  const results: Result[] = []
  let last: Document = {}
  await answerOf(database, { drop: 'c' })
  for (const step of steps) {
    if (step.run === 'expiry') {
      await expire()
      continue
    }
    if (typeof step.run === 'function' && last['cursor'] === undefined) break
    last = await answerOf(database, typeof step.run === 'function' ? step.run(last) : step.run)
    if (last['code'] === NOT_IMPLEMENTED) return String(last['errmsg'])
    if (step.documents !== undefined) results.push({ step, seen: plain(batchOf(last) ?? last), expected: plain(step.documents) })
    if (step.answer !== undefined) results.push({ step, seen: plain(part(last, step.answer)), expected: plain(step.answer) })
  }
  return results
}

const short = (value: unknown): string => (JSON.stringify(value, (_name, field: unknown) => typeof field === 'bigint' ? String(field) : field) ?? 'nothing').slice(0, 400)

function check (t: Pick<Test, 'ok'>, scenario: Scenario, results: Result[]): void {
  const wrong = results.filter(({ seen, expected }) => !isDeepStrictEqual(seen, expected))
  t.ok(wrong.length === 0, `${scenario.name} (${scenario.page})`, {
    differences: wrong.map(({ step, seen, expected }) => `${typeof step.run === 'function' ? 'next' : short(step.run)}\n  expected ${short(expected)}\n  seen     ${short(seen)}`)
  })
}

async function missingFeatures (database: Db): Promise<Set<string>> {
  const missing = new Set<string>()
  for (const [feature, probes] of Object.entries(features)) {
    await answerOf(database, { drop: 'probe' })
    for (const probe of probes) {
      const answer = await answerOf(database, probe)
      if (answer['ok'] !== 1 || answer['writeErrors'] !== undefined) missing.add(feature)
    }
  }
  await answerOf(database, { drop: 'probe' })
  return missing
}

t.test('the embedded server answers as the manual says', async (t) => {
  const mongo = await startEmbeddedMongo()
  const client = new MongoClient(mongo.uri)
  t.teardown(async () => {
    await client.close()
    await mongo.stop()
  })
  const database = client.db('differential')
  t.strictSame(await missingFeatures(database), new Set(), 'no feature of the script is missing')
  for (const scenario of scenarios) {
    const results = await play({ database, expire: async () => { mongo.expire() } }, scenario)
    if (typeof results === 'string') t.fail(results)
    else check(t, scenario, results)
  }
})

t.test('another server answers the same', async (t) => {
  const second = await findSecondServer()
  if (second === undefined) {
    t.comment(`no second server (MONGODB_URI, MONGOMS_SYSTEM_BINARY, mongod in PATH): ${scenarios.length} scenarios were not compared`)
    return
  }
  const client = new MongoClient(second.uri)
  const database = client.db(`dwa_differential_${randomBytes(4).toString('hex')}`)
  t.teardown(async () => {
    await database.dropDatabase()
    await client.close()
    await second.stop()
  })
  const missing = await missingFeatures(database)
  const fast = await answerOf(client.db('admin'), { setParameter: 1, ttlMonitorSleepSecs: 1 })
  if (fast['ok'] !== 1) missing.add('TTL indexes')
  let skipped = 0
  for (const scenario of scenarios) {
    if (scenario.needs !== undefined && missing.has(scenario.needs)) {
      t.comment(`skipped, the second server has no ${scenario.needs}: ${scenario.name}`)
      skipped++
      continue
    }
    const results = await play({ database, expire: async () => { await delay(TTL_WAIT_MS) } }, scenario)
    if (typeof results !== 'string') {
      check(t, scenario, results)
      continue
    }
    t.comment(`skipped, the second server answers "${results}": ${scenario.name}`)
    skipped++
  }
  t.comment(`${scenarios.length - skipped} scenarios compared, ${skipped} skipped`)
})
