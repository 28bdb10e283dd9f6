import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'
import type { Test } from 'tap'

const executablePath = '/usr/bin/chromium'

/** Why tests with a browser are skipped here; false where there is one. */
export const noChromium: string | false = existsSync(executablePath) ? false : `there is no ${executablePath}`

/** Starts the browser; it is closed with the test. */
export async function startChromium (t: Test): Promise<Browser> {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] })
  t.teardown(() => browser.close())
  return browser
}
