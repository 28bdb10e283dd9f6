import { consoleOf, type Console, type ConsoleParts } from './console.js'
import { renderConsole } from './layout.js'
import { errorPage } from './pages/error.js'
import { signedOutPage } from './pages/signed-out.js'
import { consoleTexts } from './texts.js'

export interface OpenConsole extends Console {
  readonly texts: typeof consoleTexts
  readonly render: typeof renderConsole
  readonly errorPage: typeof errorPage
  readonly signedOutPage: typeof signedOutPage
}

/** What the console's routes answer with. Loaded with the first request: an app starts more often than somebody looks at its console. */
export function openConsole (parts: ConsoleParts): OpenConsole {
  return { ...consoleOf(parts), texts: consoleTexts, render: renderConsole, errorPage, signedOutPage }
}
