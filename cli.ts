#!/usr/bin/env node
import { run } from './lib/cli/run.js'

process.exitCode = await run(process.argv.slice(2), {
  say (line) { process.stdout.write(`${line}\n`) },
  complain (line) { process.stderr.write(`${line}\n`) },
  ...(process.stderr.isTTY ? { status (line: string) { process.stderr.write(`\r\x1b[K${line}`) } } : {}),
  env: process.env
})
