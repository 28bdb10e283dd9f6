import { providerApp } from '../provider/provider-app.js'

const [uri = '', ahead = '0'] = process.argv.slice(2)

/** A provider in a process of its own, over HTTP on loopback; its clock is so many milliseconds ahead. */
const app = await providerApp({ teardown: () => {} }, {
  uri,
  store: {
    clock: {
      now: () => Date.now() + Number(ahead),
      after (ms, run) {
        const timer = setTimeout(run, ms).unref()
        return () => { clearTimeout(timer) }
      }
    }
  },
  provider: { limits: { requestsPerMinute: 100_000, refusedGrants: { max: 100_000, windowSeconds: 60 } } }
})
const url = await app.listen({ host: '127.0.0.1', port: 0 })
process.on('disconnect', () => { process.exit() }) // its test has ended, however it did
process.send?.({ url })
