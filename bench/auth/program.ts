import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** What processes tell each other: figures by name. */
export type Figures = Readonly<Record<string, number>>

/** One of the benchmark's programs in a process of its own. It ends with this process at the latest. */
export class Program {
  readonly #name: string
  readonly #child: ChildProcess

  private constructor (name: string, child: ChildProcess) {
    this.#name = name
    this.#child = child
  }

  /**
   * Starts `<name>-process`, a path from this module, and waits for the first figures it sends.
   * @throws when it ends instead, or sends something else
   */
  static async start (name: string, config: object, execArgv: readonly string[] = []): Promise<{ program: Program, figures: Figures }> {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js' // tests run the sources
    const child = fork(new URL(`./${name}-process.${extension}`, import.meta.url), [JSON.stringify(config)], { execArgv: [...process.execArgv, ...execArgv] })
    const program = new Program(name, child)
    try {
      return { program, figures: await program.#next() }
    } catch (error) {
      await program.stop()
      throw error
    }
  }

  /** Asks for its figures. */
  async ask (): Promise<Figures> {
    const answer = this.#next()
    this.#child.send('figures')
    return await answer
  }

  /** Says something that is not answered. */
  tell (message: string): void {
    this.#child.send(message)
  }

  async stop (): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.disconnect()
    await gone
  }

  async #next (): Promise<Figures> {
    return await new Promise((resolve, reject) => {
      const ended = (code: number | null): void => { reject(new Error(`the ${this.#name} process ended with ${code ?? 'a signal'}`)) }
      this.#child.once('exit', ended)
      this.#child.once('message', (message) => {
        this.#child.off('exit', ended)
        if (isFigures(message)) resolve(message)
        else reject(new TypeError(`the ${this.#name} process sent no figures`))
      })
    })
  }
}

/** A figure that must be there. */
export function figure (figures: Figures, name: string): number {
  const value = figures[name]
  if (value === undefined) throw new RangeError(`no figure "${name}"`)
  return value
}

/** In a program: sends `figures` to the process that started it, answers its questions with `now`, and ends when it is gone. */
export function report (figures: Figures, now: () => Figures = () => ({})): void {
  process.on('disconnect', () => { process.exit() })
  process.on('message', (message) => {
    if (message === 'figures') process.send?.(now())
  })
  process.send?.(figures)
}

/** In a program: what it was started with. */
export function readConfig<Config extends object> (): Config {
  return JSON.parse(process.argv[2] ?? '{}')
}

function isFigures (message: unknown): message is Figures {
  return typeof message === 'object' && message !== null && Object.values(message).every((value) => typeof value === 'number')
}
