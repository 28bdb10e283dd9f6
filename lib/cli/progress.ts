import { every, systemClock } from '../clock.js'
import type { Terminal } from './terminal.js'

/** Milliseconds before anything is shown, and between two looks at the clock. */
const patience = 1000
const interval = 250

/** Runs a command to its end: the timers of what it waits for keep no process alive. */
export async function toItsEnd<T> (operation: () => Promise<T>): Promise<T> {
  const alive = setInterval(() => {}, 60_000)
  try {
    return await operation()
  } finally {
    clearInterval(alive)
  }
}

/** Runs a command; a person who looks on is told after a second what it is at, and for how long. */
export async function withProgress<T> (terminal: Terminal, name: string, operation: (terminal: Terminal) => Promise<T>): Promise<T> {
  const { status, clock = systemClock } = terminal
  if (status === undefined) return await operation(terminal)
  const start = clock.now()
  let what = name
  let shown = false
  const show = (): void => {
    const waited = clock.now() - start
    if (waited < patience) return
    shown = true
    status(`${what} … ${Math.floor(waited / 1000)} s`)
  }
  const hide = (): void => {
    if (shown) status('')
    shown = false
  }
  const cancel = every(clock, interval, show)
  try {
    return await operation({
      ...terminal,
      say (line) {
        hide()
        terminal.say(line)
      },
      complain (line) {
        hide()
        terminal.complain(line)
      },
      doing (now) { what = `${name}: ${now}` }
    })
  } finally {
    cancel()
    hide()
  }
}
