import { parseArgs } from 'node:util'
import { runCheck } from './check.js'
import type { Demo } from './demo.js'
import { introduction } from './introduction.js'

const usage = `Usage: npm run demo -- [--port <port>] [--check]

  --port <port>   the app's port; a free one without it
  --check         run the whole story once, print a line for each step, and exit with 0 or 1
  --help          print this
`

/** The check ends after this many milliseconds, whatever hangs. */
const checkLimit = 60_000

interface Arguments { readonly port?: number, readonly check: boolean, readonly help: boolean }

function readArguments (): Arguments {
  const { values } = parseArgs({ options: { port: { type: 'string' }, check: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } } })
  const { check, help } = values
  if (values.port === undefined) return { check, help }
  const port = Number(values.port)
  if (!/^\d+$/.test(values.port) || port < 1 || port > 65535) throw new TypeError(`--port ${values.port} is not a port`)
  return { check, help, port }
}

async function check (port: { readonly port?: number }): Promise<void> {
  setTimeout(() => {
    console.log(`FAIL the check has not ended after ${checkLimit / 1000} seconds`)
    process.exit(1)
  }, checkLimit).unref()
  process.exitCode = 1 // also when nothing is left to wait for before the end
  const { startDemo } = await import('./demo.js')
  const demo = await startDemo(port)
  const failed = await runCheck(demo, (line) => console.log(line))
  await demo.close()
  process.exitCode = failed === 0 ? 0 : 1
}

async function serve (port: { readonly port?: number }): Promise<void> {
  const release = holdWarnings()
  let demo: Demo
  try {
    const { startDemo } = await import('./demo.js') // oidc-provider has warned before it is asked for anything
    demo = await startDemo({ ...port, logger: { level: 'warn' } })
    console.log(await introduction(demo))
  } finally {
    release()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      demo.close().catch((error: unknown) => {
        console.error(messageOf(error))
        process.exitCode = 1
      })
    })
  }
}

/** Keeps back what oidc-provider warns of, which is meant for servers in production, until the returned function is called: the address comes first. */
function holdWarnings (): () => void {
  const { warn } = console
  const held: string[] = []
  console.warn = (text: string) => { held.push(text) }
  return () => {
    console.warn = warn
    for (const text of held) warn(text)
  }
}

async function main (): Promise<void> {
  let given: Arguments
  try {
    given = readArguments()
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${usage}`)
    process.exitCode = 2
    return
  }
  const { check: once, help, ...port } = given
  if (help) console.log(usage)
  else await (once ? check(port) : serve(port))
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

main().catch((error: unknown) => {
  console.error(messageOf(error))
  process.exitCode = 1
})
