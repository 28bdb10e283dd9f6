import t from 'tap'
import { errors } from '../../lib/errors.js'
import type { CompiledValidator } from '../../lib/jwt/compiled-validator.js'
import { byId, byName } from '../../lib/jwt/validator-key.js'
import { validatorKind, type StoredValidator } from '../../lib/jwt/validator-kind.js'
import { ValidatorRegistry } from '../../lib/jwt/validator-registry.js'
import type { LogEntry } from '../../lib/log/log-entry.js'
import type { StoredRecord } from '../../lib/store/record-collection.js'

/** A registry before a database that answers when and what the test says, which no real one does on demand. */
function registryBefore () {
  const state = {
    now: 1_000_000,
    live: false,
    epoch: 1,
    completeUntil: -Infinity,
    reads: 0,
    read: async (): Promise<StoredRecord<StoredValidator> | null> => null,
    tell: (_entry: LogEntry): void => {},
    timers: [] as Array<() => void>
  }
  const changes = {
    get live () { return state.live },
    isLive: () => state.live,
    get epoch () { return state.epoch },
    get completeUntil () { return state.completeUntil },
    subscribe (listener: (entry: LogEntry) => void) {
      state.tell = listener
      return () => {}
    }
  }
  const get = async (): Promise<StoredRecord<StoredValidator> | null> => {
    state.reads++
    return await state.read()
  }
  const refuse = async (): Promise<never> => { throw new Error('not in this test') }
  const registry = new ValidatorRegistry({
    declared: new Map(),
    records: { kind: validatorKind, get, getByName: get, secrets: async () => ({}), open: refuse, list: refuse, page: refuse, count: refuse, create: refuse, update: refuse, remove: refuse },
    changes,
    clock: {
      now: () => state.now,
      after (_ms, run) {
        state.timers.push(run)
        return () => {}
      }
    },
    maxStaleMs: 300_000,
    compile: ({ id, version, fields, next }) => ({ id, name: fields.name, version, fields, next, verifier: null, cookieSecret: null, cookieKeyLabel: '', keySource: '' } as unknown as CompiledValidator)
  })
  const finder = registry.finder(byName('one')) // as a route has it: it keeps what it found last
  const find = async (): Promise<string> => {
    try {
      const { name, version } = await finder(state.now)
      return `${name} ${version}`
    } catch (error) {
      return String(Object(error).code)
    }
  }
  return { state, registry, find }
}

const record = (version: number, fields: object = {}) => async (): Promise<StoredRecord<StoredValidator>> => ({
  id: 'a'.repeat(24), version, createdAt: new Date(0), updatedAt: new Date(0), secretsSet: [], fields: { name: 'one', enabled: true, ...fields } as StoredValidator
})
const never = (): Promise<never> => new Promise(() => {})
const away = async (): Promise<never> => { throw new errors.DWA_STORE_UNAVAILABLE() }

t.test('without a live feed a validator is re-read at most once a second', async (t) => {
  const { state, find } = registryBefore()
  state.read = record(1)
  t.same(await Promise.all([find(), find(), find()]), ['one 1', 'one 1', 'one 1'])
  t.equal(state.reads, 1, 'one read for all who wait')
  state.read = record(2)
  state.now += 999
  t.equal(await find(), 'one 1')
  state.now += 1
  t.equal(await find(), 'one 2')
  t.equal(state.reads, 2)
})

t.test('while the feed is live a validator is read once, and again when the feed tells of a change', async (t) => {
  const { state, find } = registryBefore()
  state.live = true
  state.read = record(1)
  for (let request = 0; request < 1000; request++) {
    state.now += 10_000
    t.equal(await find(), 'one 1')
  }
  t.equal(state.reads, 1)
  state.read = record(2)
  state.tell({ event: 'validator.updated', target: { type: 'validator', id: 'a'.repeat(24), name: 'one' } } as LogEntry)
  t.same([await find(), await find()], ['one 2', 'one 2'])
  t.equal(state.reads, 2)
})

t.test('a database that hangs holds up nobody who knows the validator, and one that is away is asked once a second', async (t) => {
  const { state, find } = registryBefore()
  state.read = record(1)
  await find()
  state.read = never
  state.now += 1000
  const waiting = find()
  await new Promise((resolve) => { setImmediate(resolve) })
  for (const run of state.timers) run()
  t.equal(await waiting, 'one 1')
  const { reads } = state
  t.equal(await find(), 'one 1')
  t.equal(state.reads, reads)

  const other = registryBefore()
  other.state.read = record(1)
  await other.find()
  other.state.read = away
  other.state.now += 300_000
  t.equal(await other.find(), 'one 1')
  other.state.now += 999
  t.equal(await other.find(), 'DWA_STORE_UNAVAILABLE', 'unconfirmed for longer than maxStaleSeconds')
})

t.test('what the feed was silent about was confirmed as long as it stood', async (t) => {
  const { state, find } = registryBefore()
  state.live = true
  state.read = record(1)
  await find()
  state.live = false
  state.completeUntil = state.now + 500_000
  state.now += 700_000
  state.read = away
  t.equal(await find(), 'one 1', '200 seconds after the feed fell silent')
  state.now += 101_000
  t.equal(await find(), 'DWA_STORE_UNAVAILABLE')
})

t.test('a change that is told of while the validator is read is not missed, nor is one while the database hangs', async (t) => {
  const { state, registry, find } = registryBefore()
  state.live = true
  let release = (): void => {}
  state.read = async () => {
    const read = record(state.reads)()
    if (state.reads === 1) await new Promise<void>((resolve) => { release = resolve })
    return await read
  }
  const waiting = find()
  await new Promise((resolve) => { setImmediate(resolve) })
  registry.forget({ id: null, name: 'one' })
  release()
  t.equal(await waiting, 'one 2', 'read again')

  state.read = record(7)
  state.live = false
  state.now += 1000
  const rereading = find()
  registry.forget({ id: null, name: 'one' })
  t.equal(await rereading, 'one 7', 'known to be changed: the old one does not serve')

  state.read = async () => {
    registry.forget({ id: null, name: 'one' })
    return await record(state.reads)()
  }
  state.now += 1000
  t.match(await find(), /^one \d+$/, 'changes without end do not hold it up for ever')
})

t.test('errors other than an outage are not papered over with what was known', async (t) => {
  const { state, find } = registryBefore()
  state.read = record(1)
  await find()
  state.now += 1000
  state.read = async () => { throw new errors.DWA_STORE_WRONG_KEY() }
  t.equal(await find(), 'DWA_STORE_WRONG_KEY')
})

t.test('names that callers make up do not fill the memory', async (t) => {
  const { state, registry, find } = registryBefore()
  state.read = record(1)
  await find()
  for (let index = 0; index < 20_000; index++) await registry.find(byId(String(index)))
  const { reads } = state
  await find()
  t.equal(state.reads, reads + 1, 'beyond the bound everything is forgotten')
})
