import { consoleOf, type Console, type ConsoleParts } from './console.js'
import { renderConsole, scriptPath } from './layout.js'
import { errorPage } from './pages/error.js'
import { signedOutPage } from './pages/signed-out.js'
import { consoleScript } from './script.js'
import { consoleTexts } from './texts.js'

/** What the console's routes answer with. Loaded with the first request: an app starts more often than somebody looks at its console. */
export interface OpenedConsole extends Console {
  readonly texts: typeof consoleTexts
  readonly script: string
  readonly scriptPath: string
  readonly render: typeof renderConsole
  readonly errorPage: typeof errorPage
  readonly signedOutPage: typeof signedOutPage
}

export function openConsole (parts: ConsoleParts): OpenedConsole {
  return { ...consoleOf(parts), texts: consoleTexts, script: consoleScript, scriptPath, render: renderConsole, errorPage, signedOutPage }
}
