import { fork } from 'node:child_process'
import { runAuth } from './auth/run.js'
import { runConnectors } from './connectors/run.js'
import { runDocuware } from './docuware/run.js'
import { runProvider } from './provider/run.js'
import { runWebhooks } from './webhooks/run.js'

const [benchmark, ...options] = process.argv.slice(2)
switch (benchmark) {
  case 'auth':
    await runAuth(options)
    break
  case 'docuware':
    await runDocuware(options)
    break
  case 'provider':
    await runProvider(options)
    break
  case 'webhooks':
    await runWebhooks(options)
    await runConnectors([])
    break
  case 'connectors':
    await runConnectors(options)
    break
  case 'log':
    fork(new URL('./log.js', import.meta.url), options, { execArgv: ['--expose-gc'] }).on('exit', (code) => { process.exitCode = code ?? 1 })
    break
  default:
    process.stderr.write(`Usage: npm run bench -- auth [--rounds n] [--seconds n] [--only part] | docuware [--rounds n] [--requests n] | provider [--rounds n] [--seconds n] [--only part] [--tokens n,n] | webhooks [--rounds n] [--seconds n] | connectors [--rounds n] [--requests n] | log [entries]${benchmark === undefined ? '' : `; "${benchmark}" is none of them`}\n`)
    process.exitCode = 2
}
