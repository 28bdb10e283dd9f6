import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Teardown } from '../mongo.js'
import type { Tasks } from '../workers/docuware-worker.js'

type Result<Name extends keyof Tasks> = Awaited<ReturnType<Tasks[Name]>>

interface Said { readonly ready?: true, readonly good?: true, readonly line?: string, readonly id?: number, readonly value?: never, readonly error?: string }

/** An app with DocuWare connections in a process of its own. */
export class DocuwareProcess {
  readonly #child: ChildProcess
  readonly #asked = new Map<number, { resolve: (value: never) => void, reject: (error: Error) => void }>()
  readonly #ready: Promise<void>
  #count = 0
  #onGood = (): void => {}

  /**
   * @param script the compiled worker
   * @param onLine is told of each line of the app's log
   */
  constructor (script: string, onLine: (line: string) => void) {
    this.#child = fork(script, { execArgv: [], env: { ...process.env, NODE_OPTIONS: '' } }) // without tap's loaders
    this.#ready = new Promise((resolve) => {
      this.#child.on('message', ({ ready, good, line, id, value, error }: Said) => {
        if (line !== undefined) onLine(line)
        if (ready === true) resolve()
        if (good === true) this.#onGood()
        const asked = this.#asked.get(id ?? 0)
        this.#asked.delete(id ?? 0)
        if (error !== undefined) asked?.reject(new Error(error))
        else if (value !== undefined) asked?.resolve(value)
      })
    })
    this.#child.on('exit', () => { for (const { reject } of this.#asked.values()) reject(new Error('the process has ended')) })
  }

  get alive (): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Has the process do something. */
  async run<Name extends keyof Tasks> (name: Name, ...args: Parameters<Tasks[Name]>): Promise<Result<Name>> {
    await this.#ready
    const id = ++this.#count
    return await new Promise<Result<Name>>((resolve, reject) => {
      this.#asked.set(id, { resolve, reject })
      this.#child.send({ id, name, args })
    })
  }

  /** Resolves when a call of `callUntilItFails` has succeeded. */
  async good (): Promise<void> {
    await new Promise<void>((resolve) => { this.#onGood = resolve })
  }

  standStill (): void {
    this.#child.kill('SIGSTOP')
  }

  goOn (): void {
    this.#child.kill('SIGCONT')
  }

  /** Ends it without a chance to do anything about it. */
  async kill (): Promise<void> {
    if (!this.alive) return
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }
}

/** Processes that tests use one after the other; one that died is replaced when it is needed. They end with `t`. */
export class Fleet {
  /** What their apps have logged, also those that died. */
  readonly lines: string[] = []
  readonly #script: string
  readonly #processes: DocuwareProcess[] = []

  constructor (t: Teardown, script: string) {
    this.#script = script
    t.teardown(async () => { await Promise.all(this.#processes.map(async (one) => { await one.kill() })) })
  }

  four (): [DocuwareProcess, DocuwareProcess, DocuwareProcess, DocuwareProcess] {
    return [this.at(0), this.at(1), this.at(2), this.at(3)]
  }

  at (place: number): DocuwareProcess {
    const known = this.#processes[place]
    const living = known?.alive === true ? known : new DocuwareProcess(this.#script, (line) => { this.lines.push(line) })
    this.#processes[place] = living
    return living
  }
}
