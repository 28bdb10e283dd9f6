// Lets Node load this repository's TypeScript, for tests and their workers: `node --import ./scripts/typescript.js`.
import { register } from 'node:module'

register('./typescript-hooks.js', import.meta.url)
