import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Teardown } from '../mongo.js'

/** A process of its own on the database at `uri`. */
export class Worker {
  readonly process: ChildProcess
  readonly exit: Promise<unknown>
  readonly #messages: Array<Record<string, unknown>> = []
  #wake = (): void => {}

  constructor (uri: string, task: string, script = './store-worker.ts') {
    this.process = fork(new URL(script, import.meta.url), [uri, task])
    this.exit = once(this.process, 'exit')
    this.process.on('message', (message: Record<string, unknown>) => {
      this.#messages.push(message)
      this.#wake()
    })
  }

  /** The next thing it says. */
  async next (): Promise<Record<string, unknown>> {
    while (this.#messages.length === 0) await new Promise<void>((resolve) => { this.#wake = resolve })
    return this.#messages.shift() ?? {}
  }

  stop (): void {
    this.process.send('stop')
  }
}

/** Ended with the test, if it has not ended by itself. */
export function startWorker (t: Teardown, uri: string, task: string, script?: string): Worker {
  const worker = new Worker(uri, task, script)
  t.teardown(() => worker.process.kill('SIGKILL'))
  return worker
}
