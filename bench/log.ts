import { startEmbeddedMongo } from '../testing/index.js'
import { systemClock } from '../lib/clock.js'
import { readMasterKey } from '../lib/store/master-key.js'
import { OpenedStore } from '../lib/store/open-store.js'

const total = Number(process.argv[2] ?? 200_000)
const inFlight = 1000

const quantile = (sorted: readonly number[], share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
const megabytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MB`

/** The store and the server in one process, unless MONGODB_URI names another one. */
async function main (): Promise<void> {
  const named = process.env['MONGODB_URI']
  const mongo = named === undefined ? await startEmbeddedMongo() : null
  const store = new OpenedStore({
    source: { uri: named ?? mongo?.uri ?? '' },
    masterKeys: [readMasterKey(Buffer.alloc(32, 1).toString('base64'), 'key')],
    collectionPrefix: 'bench_',
    publicUrl: null,
    log: { size: 16 * 1024 * 1024, personalData: false, requireInsertOnly: false, spool: 1000 },
    clock: systemClock,
    logger: { info () {}, warn: console.error, error: console.error }
  })
  await store.start()

  const alone: number[] = []
  for (let index = 0; index < 1000; index++) {
    const began = performance.now()
    await store.log.append('bench.alone', { details: { index } })
    alone.push(performance.now() - began)
  }
  alone.sort((a, b) => a - b)
  console.log(`single awaited append: p50 ${quantile(alone, 0.5).toFixed(2)} ms, p99 ${quantile(alone, 0.99).toFixed(2)} ms`)

  const began = performance.now()
  let sent = 0
  let done = 0
  async function writer (): Promise<void> {
    while (sent < total) {
      const index = sent++
      await store.log.append('bench.sustained', { actor: { type: 'client', id: 'c-1' }, target: { type: 'token', id: String(index) }, message: 'a token was issued', details: { index, scopes: ['read', 'write'] } })
      done++
      if (done % (total / 10) === 0) {
        globalThis.gc?.()
        const { rss, heapUsed } = process.memoryUsage()
        console.log(`${done} entries, ${(done / (performance.now() - began) * 1000).toFixed(0)} a second, rss ${megabytes(rss)}, heap ${megabytes(heapUsed)}`)
      }
    }
  }
  await Promise.all(Array.from({ length: inFlight }, writer))
  console.log(`sustained: ${(total / (performance.now() - began) * 1000).toFixed(0)} entries a second`)

  const verifying = performance.now()
  const result = await store.log.verify()
  console.log(`verify: ok ${result.ok}, ${result.entries} entries in ${(performance.now() - verifying).toFixed(0)} ms`)
  await store.close()
  await mongo?.stop()
}

await main()
